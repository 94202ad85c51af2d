#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/memory.h"
#include "net/http_client.h"
#include "roles/ctl/ctl.h"

enum { TOKEN_SIZE_MAX = 1024, URL_SIZE_MAX = 8192, TIMEOUT_MS = 60000 };

static bool read_token(const char *path, char *token)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = file >= 0 ? read(file, token, TOKEN_SIZE_MAX - 1) : -1;

    if (size < 0) {
        fprintf(stderr,
                "avisoctl: the token cannot be read from %s: %s\n"
                "It is the file admin_token in the server's data folder; name it with "
                "--token-file or AVISO_TOKEN_FILE.\n",
                path, strerror(errno));
    }
    if (file >= 0) {
        close(file);
    }
    token[size > 0 ? size : 0] = '\0';
    token[strcspn(token, " \r\n")] = '\0';
    return size >= 0;
}

/* RFC 3986 §2.3: all that is not unreserved is escaped, but for the "@" that reads better. */
static void append_escaped(struct buffer *output, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char octet = (unsigned char)*text;
        bool is_plain = (octet >= '0' && octet <= '9') || (octet >= 'A' && octet <= 'Z') ||
                        (octet >= 'a' && octet <= 'z') || strchr("-._~@", octet) != NULL;

        if (is_plain) {
            buffer_append_octet(output, (char)octet);
        } else {
            buffer_printf(output, "%%%02X", octet);
        }
    }
}

static enum ctl_exit exit_of_code(unsigned code)
{
    switch (code) {
    case 401:
        return CTL_DENIED;
    case 404:
        return CTL_NOT_FOUND;
    case 409:
        return CTL_CONFLICT;
    case 503:
    case 504:
        return CTL_UNAVAILABLE;
    default:
        return code >= 200 && code < 300 ? CTL_DONE : CTL_FAILED;
    }
}

static enum ctl_exit explain(const struct ctl *ctl, enum status status)
{
    switch (status) {
    case STATUS_UNAVAILABLE:
        fprintf(stderr,
                "avisoctl: nobody answers at %s. Is the server running, with http.listen set? "
                "Name it with --url or AVISO_URL.\n",
                ctl->url);
        return CTL_UNAVAILABLE;
    case STATUS_TIMED_OUT:
        fprintf(stderr, "avisoctl: %s did not answer in time; look before you try again.\n",
                ctl->url);
        return CTL_UNAVAILABLE;
    default:
        fprintf(stderr, "avisoctl: the call to %s failed: %s\n", ctl->url, status_text(status));
        return CTL_FAILED;
    }
}

static enum ctl_exit read_answer(unsigned code, struct slice body, json_t **out_answer)
{
    json_t *answer = body.size > 0 ? json_loadb(body.data, body.size, 0, NULL) : NULL;
    enum ctl_exit result = exit_of_code(code);

    if (result != CTL_DONE) {
        const char *message = json_string_value(json_object_get(answer, "message"));

        fprintf(stderr, "avisoctl: %s\n", message != NULL ? message : "the server refused it");
        json_decref(answer);
        return result;
    }
    *out_answer = answer;
    return CTL_DONE;
}

enum ctl_exit ctl_call(const struct ctl *ctl, const char *method, const char *path,
                       const char *name, const char *after, json_t *body, json_t **out_answer)
{
    char token[TOKEN_SIZE_MAX];
    struct buffer url;
    struct buffer answer;
    unsigned code = 0;
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    enum ctl_exit result = CTL_FAILED;

    json_decref(body);
    buffer_init(&url, URL_SIZE_MAX);
    buffer_init(&answer, CTL_ANSWER_SIZE_MAX);
    if (name != NULL && strlen(name) > URL_SIZE_MAX / 4) {
        fprintf(stderr, "avisoctl: that name is too long\n");
    } else if (read_token(ctl->token_file, token)) {
        buffer_printf(&url, "%s/admin/v1%s", ctl->url, path);
        append_escaped(&url, name != NULL ? name : "");
        buffer_printf(&url, "%s", after);
        buffer_append_octet(&url, '\0');
        struct http_call call = {
            .method = method,
            .url = url.data,
            .token = token,
            .content_type = "application/json",
            .body = text != NULL ? slice_of(text) : SLICE(""),
            .timeout_ms = TIMEOUT_MS,
        };
        enum status status = http_client_call(&call, &code, &answer);

        result = status == STATUS_OK ? read_answer(code, buffer_view(&answer), out_answer)
                                     : explain(ctl, status);
    }
    explicit_bzero(token, sizeof(token));
    if (text != NULL) {
        explicit_bzero(text, strlen(text));
    }
    memory_free(text);
    buffer_done(&url);
    buffer_done(&answer);
    return result;
}
