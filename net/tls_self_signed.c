#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "core/buffer.h"
#include "core/check.h"
#include "core/random.h"
#include "net/tls.h"

enum {
    VALID_SECONDS = 10 * 365 * 24 * 3600,
    BACKDATED_SECONDS = 24 * 3600,
    NAMES_SIZE_MAX = 65536
};

static bool is_address(const char *name)
{
    char octets[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, name, octets) == 1 || inet_pton(AF_INET6, name, octets) == 1;
}

static void add_extension(X509 *certificate, int nid, const char *value)
{
    X509V3_CTX context;

    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);

    CHECK(extension != NULL && X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

static void add_names(X509 *certificate, const char *const *names, size_t name_count)
{
    struct buffer list;

    buffer_init(&list, NAMES_SIZE_MAX);
    for (size_t i = 0; i < name_count; i++) {
        buffer_printf(&list, "%s%s:%s", i > 0 ? "," : "", is_address(names[i]) ? "IP" : "DNS",
                      names[i]);
    }
    buffer_append_octet(&list, '\0');
    add_extension(certificate, NID_subject_alt_name, list.data);
    buffer_done(&list);
}

static void set_serial(X509 *certificate)
{
    uint64_t serial = 0;

    random_octets(&serial, sizeof(serial));
    CHECK(ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1 | 1) == 1);
}

static X509 *make_certificate(EVP_PKEY *key, const char *const *names, size_t name_count)
{
    X509 *certificate = X509_new();

    CHECK(certificate != NULL && X509_set_version(certificate, X509_VERSION_3) == 1);
    set_serial(certificate);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -BACKDATED_SECONDS);
    X509_gmtime_adj(X509_getm_notAfter(certificate), VALID_SECONDS);
    CHECK(X509_set_pubkey(certificate, key) == 1);

    X509_NAME *subject = X509_get_subject_name(certificate);

    CHECK(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)names[0],
                                     -1, -1, 0) == 1);
    CHECK(X509_set_issuer_name(certificate, subject) == 1);
    add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
    add_names(certificate, names, name_count);
    CHECK(X509_sign(certificate, key, EVP_sha256()) > 0);
    return certificate;
}

/* Opens a file that was not there. */
static enum status create(const char *path, mode_t mode, FILE **out_file)
{
    int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

    if (descriptor < 0) {
        return errno == EEXIST ? STATUS_EXISTS : STATUS_IO_ERROR;
    }
    *out_file = fdopen(descriptor, "w");
    CHECK(*out_file != NULL);
    return STATUS_OK;
}

static enum status write_key(EVP_PKEY *key, const char *path)
{
    FILE *file = NULL;
    enum status status = create(path, S_IRUSR | S_IWUSR, &file);

    if (status != STATUS_OK) {
        return status;
    }
    bool written = PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1;

    return fclose(file) == 0 && written ? STATUS_OK : STATUS_IO_ERROR;
}

static enum status write_certificate(X509 *certificate, const char *path)
{
    FILE *file = NULL;
    enum status status = create(path, S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH, &file);

    if (status != STATUS_OK) {
        return status;
    }
    bool written = PEM_write_X509(file, certificate) == 1;

    return fclose(file) == 0 && written ? STATUS_OK : STATUS_IO_ERROR;
}

enum status tls_make_self_signed(const char *const *names, size_t name_count,
                                 const char *certificate_path, const char *key_path)
{
    CHECK(name_count > 0);
    if (access(certificate_path, F_OK) == 0) {
        return STATUS_EXISTS;
    }
    EVP_PKEY *key = EVP_EC_gen("P-256");

    CHECK(key != NULL);
    X509 *certificate = make_certificate(key, names, name_count);
    enum status status = write_key(key, key_path);

    if (status == STATUS_OK) {
        status = write_certificate(certificate, certificate_path);
        if (status != STATUS_OK) {
            unlink(key_path); /* a key without its certificate would be in the way next time */
        }
    }
    X509_free(certificate);
    EVP_PKEY_free(key);
    return status;
}
