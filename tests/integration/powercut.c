/* Cuts the power of a mounted ext4: nothing that is not on its device by now will ever be
 * (EXT4_IOC_SHUTDOWN with NOLOGFLUSH). Usage: powercut FOLDER */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>

int main(int count, char **words)
{
    uint32_t how = 2;
    int folder = count == 2 ? open(words[1], O_RDONLY) : -1;

    if (folder < 0 || ioctl(folder, _IOR('X', 125, uint32_t), &how) != 0) {
        perror("powercut");
        return 1;
    }
    return 0;
}
