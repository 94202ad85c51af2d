# Foreign libraries, each by one name. Debian 12's versions are the floor.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

function(aviso_library name module)
  pkg_check_modules(${name} REQUIRED IMPORTED_TARGET ${module})
  set(LIBRARY_${name} PkgConfig::${name} PARENT_SCOPE)
endfunction()

aviso_library(UV libuv)
aviso_library(TLS openssl)
aviso_library(CURL libcurl)
aviso_library(PROTOBUF libprotobuf-c)
aviso_library(ZSTD libzstd)
aviso_library(YAML yaml-0.1)
aviso_library(JSON jansson)
aviso_library(ARGON2 libargon2)
aviso_library(CRYPT libxcrypt)
aviso_library(ICU icu-uc)
aviso_library(IDN libidn2)

find_library(LIBRARY_ROCKSDB rocksdb REQUIRED)
find_library(LIBRARY_ROARING roaring REQUIRED)
find_library(LIBRARY_JEMALLOC jemalloc REQUIRED)

# llhttp comes as C sources (package node-llhttp).
find_path(LLHTTP_HEADER llhttp.h PATHS /usr/share/include/llhttp REQUIRED)
find_path(LLHTTP_SOURCE llhttp.c PATHS /usr/share/llhttp REQUIRED)
add_library(llhttp STATIC ${LLHTTP_SOURCE}/api.c ${LLHTTP_SOURCE}/http.c ${LLHTTP_SOURCE}/llhttp.c)
target_include_directories(llhttp SYSTEM PUBLIC ${LLHTTP_HEADER})
target_compile_options(llhttp PRIVATE -w)
set(LIBRARY_LLHTTP llhttp)
