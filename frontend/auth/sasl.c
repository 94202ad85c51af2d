#include "frontend/auth/sasl.h"

#include "core/base64.h"

typedef enum sasl_progress sasl_step_fn(struct sasl *sasl, struct slice response);

struct sasl_mechanism {
    const char *name;
    sasl_step_fn *respond; /* takes a decoded response */
    const char *first_challenge;
};

static sasl_step_fn respond_plain, respond_login;

static const struct sasl_mechanism mechanisms[] = {
    {"PLAIN", respond_plain, ""}, {"LOGIN", respond_login, "VXNlcm5hbWU6"}, /* "Username:" */
};

static const struct slice password_challenge = {"UGFzc3dvcmQ6", 12}; /* "Password:" */

void sasl_init(struct sasl *sasl)
{
    *sasl = (struct sasl){0};
    buffer_init(&sasl->user, SASL_TEXT_SIZE_MAX);
    buffer_init(&sasl->password, SASL_TEXT_SIZE_MAX);
}

void sasl_done(struct sasl *sasl)
{
    buffer_wipe(&sasl->password);
    buffer_done(&sasl->user);
}

static enum sasl_progress respond(struct sasl *sasl, struct slice base64)
{
    struct buffer response;
    enum sasl_progress progress = SASL_MALFORMED;

    if (base64.size > SASL_LINE_SIZE_MAX) {
        return SASL_MALFORMED;
    }
    buffer_init(&response, SASL_LINE_SIZE_MAX);
    if (base64_decode(base64, &response) == STATUS_OK) {
        progress = sasl->mechanism->respond(sasl, buffer_view(&response));
    }
    buffer_wipe(&response);
    return progress;
}

enum sasl_progress sasl_begin(struct sasl *sasl, struct slice mechanism, struct slice initial)
{
    sasl->mechanism = NULL;
    sasl->step = 0;
    buffer_clear(&sasl->user);
    buffer_wipe(&sasl->password);
    for (size_t i = 0; i < COUNT_OF(mechanisms); i++) {
        if (slice_is(mechanism, mechanisms[i].name)) {
            sasl->mechanism = &mechanisms[i];
        }
    }
    if (sasl->mechanism == NULL) {
        return SASL_UNKNOWN;
    }
    if (initial.data == NULL) {
        sasl->challenge = slice_of(sasl->mechanism->first_challenge);
        return SASL_CHALLENGE;
    }
    return respond(sasl, slice_is(initial, "=") ? SLICE("") : initial);
}

enum sasl_progress sasl_continue(struct sasl *sasl, struct slice line)
{
    return slice_is(line, "*") ? SASL_CANCELLED : respond(sasl, line);
}

/* A name or a password: there, not too long, and without NUL (RFC 4616 §2). */
static bool keep(struct buffer *target, struct slice text)
{
    if (text.size == 0 || text.size > SASL_TEXT_SIZE_MAX || slice_find(text, '\0') < text.size) {
        return false;
    }
    buffer_append(target, text);
    return true;
}

/* message = [authzid] NUL authcid NUL passwd */
static enum sasl_progress respond_plain(struct sasl *sasl, struct slice response)
{
    struct slice rest = response;
    struct slice authzid = slice_cut(&rest, '\0');

    if (authzid.size == response.size || slice_find(rest, '\0') == rest.size) {
        return SASL_MALFORMED;
    }
    struct slice authcid = slice_cut(&rest, '\0');

    if (!keep(&sasl->user, authcid) || !keep(&sasl->password, rest)) {
        return SASL_MALFORMED;
    }
    return authzid.size > 0 && !slice_equals(authzid, authcid) ? SASL_REFUSED : SASL_CREDENTIALS;
}

static enum sasl_progress respond_login(struct sasl *sasl, struct slice response)
{
    if (sasl->step++ == 0) {
        sasl->challenge = password_challenge;
        return keep(&sasl->user, response) ? SASL_CHALLENGE : SASL_MALFORMED;
    }
    return keep(&sasl->password, response) ? SASL_CREDENTIALS : SASL_MALFORMED;
}
