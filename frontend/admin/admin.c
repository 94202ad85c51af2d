#include "frontend/admin/admin.h"

#include "core/macros.h"
#include "core/memory.h"
#include "core/metrics.h"
#include "frontend/admin/admin_operation.h"

enum {
    BODY_SIZE_MAX = 256 * 1024,
    TOKEN_SIZE_MAX = 1024,
    METRICS_SIZE_MAX = 1024 * 1024,
    NAME_SIZE_MAX = 1024,
    ALLOWED_SIZE_MAX = 128,
};

/* "*" stands for one escaped segment, which becomes the operation's name in the form that the row
 * says. */
enum name_kind { NAME_NONE, NAME_DOMAIN, NAME_ADDRESS };

static const struct route {
    const char *method;
    const char *before; /* the name */
    enum name_kind name;
    const char *after;
    admin_run_fn *run;
} routes[] = {
    {"GET", "/admin/v1/domains", NAME_NONE, "", admin_list_domains},
    {"POST", "/admin/v1/domains", NAME_NONE, "", admin_add_domain},
    {"DELETE", "/admin/v1/domains/", NAME_DOMAIN, "", admin_remove_domain},
    {"GET", "/admin/v1/accounts", NAME_NONE, "", admin_list_accounts},
    {"POST", "/admin/v1/accounts", NAME_NONE, "", admin_add_account},
    {"GET", "/admin/v1/accounts/", NAME_ADDRESS, "", admin_show_account},
    {"PATCH", "/admin/v1/accounts/", NAME_ADDRESS, "", admin_change_account},
    {"DELETE", "/admin/v1/accounts/", NAME_ADDRESS, "", admin_remove_account},
    {"GET", "/admin/v1/accounts/", NAME_ADDRESS, "/mailboxes", admin_list_mailboxes},
    {"GET", "/admin/v1/names", NAME_NONE, "", admin_list_names},
    {"PUT", "/admin/v1/names/", NAME_ADDRESS, "", admin_put_name},
    {"DELETE", "/admin/v1/names/", NAME_ADDRESS, "", admin_remove_name},
    {"GET", "/admin/v1/status", NAME_NONE, "", admin_show_status},
};

/* The segment that stands for a name; false: the path is not of this route. */
static bool path_matches(const struct route *route, struct slice path, struct slice *out_name)
{
    struct slice before = slice_of(route->before);
    struct slice after = slice_of(route->after);

    if (route->name == NAME_NONE) {
        return slice_equals(path, before);
    }
    if (!slice_starts_with(path, before) || !slice_ends_with(path, after) ||
        path.size <= before.size + after.size) {
        return false;
    }
    *out_name = slice_skip(slice_prefix(path, path.size - after.size), before.size);
    return slice_find(*out_name, '/') == out_name->size;
}

/* Notes the methods of the path's routes in `allowed`, "GET, PATCH", for who used another. */
static const struct route *find_route(const struct http_request *request, struct slice *out_name,
                                      struct buffer *allowed)
{
    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        if (path_matches(&routes[i], request->path, out_name)) {
            if (slice_equals(request->method, slice_of(routes[i].method))) {
                return &routes[i];
            }
            buffer_printf(allowed, "%s%s", allowed->size > 0 ? ", " : "", routes[i].method);
        }
    }
    return NULL;
}

static bool is_allowed(const struct admin *admin, const struct http_request *request)
{
    static const struct slice scheme = {"Bearer ", 7};
    struct slice value;

    return admin->token.size > 0 &&
           http_request_header(request, "Authorization", &value) == STATUS_OK &&
           slice_starts_with_ignoring_case(value, scheme) &&
           slice_equals_secret(slice_trim(slice_skip(value, scheme.size)),
                               buffer_view(&admin->token));
}

/* ---- An operation's start ---- */

static void on_gone(void *context)
{
    struct admin_operation *operation = context;

    operation->exchange = NULL;
}

static struct admin_operation *begin(struct admin *admin, struct http_exchange *exchange)
{
    struct admin_operation *operation = NEW(struct admin_operation);

    operation->admin = admin;
    operation->exchange = exchange;
    arena_init(&operation->arena);
    buffer_init(&operation->credential, 1024);
    http_exchange_hold(exchange, on_gone, operation);
    return operation;
}

static bool read_body(struct admin_operation *operation, const struct http_request *request)
{
    json_error_t error;

    if (request->body.size == 0) {
        operation->body = json_object();
        return true;
    }
    operation->body =
        json_loadb(request->body.data, request->body.size, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(operation->body)) {
        admin_refuse(operation, 400, "invalid", "the body must be a JSON object");
        return false;
    }
    return true;
}

static bool read_name(struct admin_operation *operation, const struct route *route,
                      struct slice segment)
{
    struct buffer name;

    if (route->name == NAME_NONE) {
        return true;
    }
    buffer_init(&name, NAME_SIZE_MAX);
    bool readable = http_unescape(segment, false, &name) == STATUS_OK;
    bool valid = readable &&
                 (route->name == NAME_DOMAIN ? admin_take_domain(operation, buffer_view(&name))
                                             : admin_take_address(operation, buffer_view(&name)));

    buffer_done(&name);
    if (!readable) {
        admin_refuse(operation, 400, "invalid", "the path cannot be read");
    }
    return valid;
}

static void serve_admin(struct admin *admin, struct http_exchange *exchange,
                        const struct http_request *request)
{
    struct admin_operation *operation = begin(admin, exchange);
    struct slice segment = {0};
    struct buffer allowed;

    buffer_init(&allowed, ALLOWED_SIZE_MAX);
    const struct route *route = find_route(request, &segment, &allowed);

    if (!is_allowed(admin, request)) {
        http_respond_header(exchange, "WWW-Authenticate", SLICE("Bearer"));
        admin_refuse(operation, 401, "denied", "the token is missing or wrong");
    } else if (route == NULL && allowed.size == 0) {
        admin_refuse(operation, 404, "not_found", "there is no such path");
    } else if (route == NULL) {
        http_respond_header(exchange, "Allow", buffer_view(&allowed));
        admin_refuse(operation, 405, "not_allowed", "this method is not for this path");
    } else if (read_body(operation, request) && read_name(operation, route, segment)) {
        route->run(operation, request);
    }
    buffer_done(&allowed);
}

/* ---- Health and metrics ---- */

static void serve_metrics(struct http_exchange *exchange)
{
    struct buffer text;

    buffer_init(&text, METRICS_SIZE_MAX);
    metrics_print(&text);
    http_respond(exchange, 200, "text/plain; version=0.0.4", buffer_view(&text));
    buffer_done(&text);
}

static void serve(struct http_exchange *exchange, const struct http_request *request, void *context)
{
    bool is_get = slice_equals(request->method, SLICE("GET"));

    if (slice_starts_with(request->path, SLICE("/admin/"))) {
        serve_admin(context, exchange, request);
    } else if (is_get && slice_equals(request->path, SLICE("/healthz"))) {
        http_respond(exchange, 200, "text/plain", SLICE("alive\n"));
    } else if (is_get && slice_equals(request->path, SLICE("/readyz"))) {
        admin_show_ready(begin(context, exchange), request);
    } else if (is_get && slice_equals(request->path, SLICE("/metrics"))) {
        serve_metrics(exchange);
    } else {
        http_respond(exchange, 404, "text/plain", SLICE("not found\n"));
    }
}

struct admin *admin_new(struct router *router, struct worker_pool *hashers, struct slice token)
{
    struct admin *admin = NEW(struct admin);

    admin->router = router;
    admin->hashers = hashers;
    buffer_init(&admin->token, TOKEN_SIZE_MAX);
    buffer_append(&admin->token, token);
    return admin;
}

void admin_free(struct admin *admin)
{
    if (admin != NULL) {
        buffer_wipe(&admin->token);
        memory_free(admin);
    }
}

struct http_handler admin_http_handler(struct admin *admin)
{
    return (struct http_handler){
        .serve = serve,
        .context = admin,
        .body_size_max = BODY_SIZE_MAX,
    };
}
