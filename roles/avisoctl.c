/* `avisoctl`: the admin tool. */
#include "roles/ctl/ctl.h"

int main(int count, char **words)
{
    return ctl_main(count, words);
}
