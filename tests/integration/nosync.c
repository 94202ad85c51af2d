/* The negative control: preloaded into a server, it makes every sync a lie. A test that still finds
 * all mail after a power cut then does not test what it says. */
int fsync(int file);
int fdatasync(int file);

int fsync(int file)
{
    return file < 0 ? -1 : 0;
}

int fdatasync(int file)
{
    return file < 0 ? -1 : 0;
}
