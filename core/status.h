/* How an operation ended. One closed list for the program, the wire and the reply tables:
 * proto/status.proto mirrors it, and each protocol maps it to its own replies. */
#ifndef AVISO_CORE_STATUS_H
#define AVISO_CORE_STATUS_H

#define STATUS_LIST(X)                                                                             \
    X(OK, "ok")                                                                                    \
    X(AGAIN, "more input is needed")                                                               \
    X(INVALID, "input breaks its grammar")                                                         \
    X(TOO_LARGE, "input is over its limit")                                                        \
    X(DENIED, "not allowed")                                                                       \
    X(NOT_FOUND, "no such thing")                                                                  \
    X(EXISTS, "there is one already")                                                              \
    X(CONFLICT, "changed by someone else")                                                         \
    X(OVER_QUOTA, "the account's quota does not allow it")                                         \
    X(SUSPENDED, "the account is suspended")                                                       \
    X(NOT_LEADER, "another node leads this shard")                                                 \
    X(UNAVAILABLE, "no quorum or no route")                                                        \
    X(BUSY, "too much work is waiting")                                                            \
    X(TIMED_OUT, "deadline passed")                                                                \
    X(EXPIRED, "the request is older than what is remembered of requests")                         \
    X(NO_SPACE, "the disk is full")                                                                \
    X(IO_ERROR, "the disk or the system failed")                                                   \
    X(CORRUPT, "stored bytes fail their checksum")                                                 \
    X(UNSUPPORTED, "a format or a feature that this version does not know")

#define STATUS_ENUM(name, text) STATUS_##name,
enum status { STATUS_LIST(STATUS_ENUM) };
#undef STATUS_ENUM

/* The text for logs: never sent to a client. */
const char *status_text(enum status status);

#endif
