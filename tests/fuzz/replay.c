/* Runs a fuzz target over each file of a folder, and over nothing: its corpus as a test. */
#include <dirent.h>
#include <stdio.h>

#include "core/memory.h"
#include "tests/fuzz/fuzz.h"

enum { INPUT_SIZE_MAX = 1 << 22 };

static int replay(const char *folder, const char *name)
{
    char path[4096];
    uint8_t *data = memory_zeroed(INPUT_SIZE_MAX);
    uint8_t *exact;
    FILE *file;
    size_t size;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        memory_free(data);
        return 1;
    }
    size = fread(data, 1, INPUT_SIZE_MAX, file);
    fclose(file);
    /* In memory of just its size, so that a sanitizer sees a read past its end. */
    exact = memory_resized(data, size == 0 ? 1 : size);
    LLVMFuzzerTestOneInput(exact, size);
    memory_free(exact);
    return 0;
}

static int is_input(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int main(int count, char **arguments)
{
    struct dirent **entries;
    int entry_count = count == 2 ? scandir(arguments[1], &entries, is_input, alphasort) : -1;
    int faults = 0;

    if (entry_count <= 0) {
        fprintf(stderr, "usage: %s FOLDER-WITH-INPUTS\n", arguments[0]);
        return 2;
    }
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 0; i < entry_count; i++) {
        faults += replay(arguments[1], entries[i]->d_name);
        memory_free(entries[i]);
    }
    memory_free(entries);
    printf("%d inputs\n", entry_count);
    return faults == 0 ? 0 : 1;
}
