# A folder is a target, and sees only the folders that it names: each target gets an include
# directory of its own, with a link to each folder that it may include. What is not linked there
# does not compile.

function(aviso_include_view name)
  set(view ${CMAKE_BINARY_DIR}/view/${name})
  file(MAKE_DIRECTORY ${view})
  foreach(folder IN LISTS ARGN)
    if(folder STREQUAL "proto")
      file(CREATE_LINK ${CMAKE_BINARY_DIR}/wire/proto ${view}/proto SYMBOLIC)
    else()
      file(CREATE_LINK ${CMAKE_SOURCE_DIR}/${folder} ${view}/${folder} SYMBOLIC)
    endif()
  endforeach()
endfunction()

# aviso_layer(NAME [SEES folder...] [LIBRARIES library...]): every .c below the folder, but the
# mains of programs (those have their own targets).
function(aviso_layer name)
  cmake_parse_arguments(LAYER "" "" "SEES;LIBRARIES" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${name}/*.c)
  list(FILTER sources EXCLUDE REGEX "roles/(aviso|avisoctl)\\.c$")
  aviso_include_view(${name} ${name} ${LAYER_SEES})
  if(NOT sources)
    add_library(${name} INTERFACE)
    set(scope INTERFACE)
  else()
    add_library(${name} STATIC ${sources})
    target_include_directories(${name} PRIVATE ${CMAKE_BINARY_DIR}/view/${name})
    set(scope PUBLIC)
  endif()
  list(TRANSFORM LAYER_SEES REPLACE "^proto$" "wire")
  target_link_libraries(${name} ${scope} ${LAYER_SEES} ${LAYER_LIBRARIES})
endfunction()

# The generated messages: build/wire/proto/NAME.pb-c.h, included as "proto/NAME.pb-c.h".
function(aviso_wire folder)
  file(GLOB schemas CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.proto)
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/wire/${folder})
  set(generated)
  foreach(schema IN LISTS schemas)
    get_filename_component(stem ${schema} NAME_WE)
    set(output ${CMAKE_BINARY_DIR}/wire/${folder}/${stem}.pb-c)
    add_custom_command(OUTPUT ${output}.c ${output}.h
      COMMAND protoc-c --proto_path=${CMAKE_SOURCE_DIR} --c_out=${CMAKE_BINARY_DIR}/wire
              ${folder}/${stem}.proto
      WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} DEPENDS ${schemas})
    list(APPEND generated ${output}.c ${output}.h)
  endforeach()
  if(generated)
    add_library(wire STATIC ${generated})
    target_include_directories(wire PUBLIC ${CMAKE_BINARY_DIR}/wire)
    target_compile_options(wire PRIVATE -w)
    target_link_libraries(wire PUBLIC ${LIBRARY_PROTOBUF})
  else()
    add_library(wire INTERFACE)
  endif()
endfunction()

# aviso_program(NAME main.c): what an operator runs.
function(aviso_program name main)
  if(NOT EXISTS ${CMAKE_SOURCE_DIR}/${main})
    return()
  endif()
  add_executable(${name} ${main})
  target_include_directories(${name} PRIVATE ${CMAKE_BINARY_DIR}/view/roles)
  if(NOT AVISO_SANITIZE AND NOT AVISO_FUZZ)
    # Nothing refers to it by name, so a linker that leaves out what is not needed would.
    target_link_libraries(${name} -Wl,--push-state,--no-as-needed,${LIBRARY_JEMALLOC},--pop-state)
  endif()
  target_link_libraries(${name} roles)
endfunction()
