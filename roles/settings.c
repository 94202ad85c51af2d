#include "roles/settings.h"

#define ROW(name, kind, field, ...)                                                                \
    {                                                                                              \
        name, CONFIG_##kind, offsetof(struct settings, field), __VA_ARGS__                         \
    }

static const char *const log_levels[] = {"debug", "info", "warning", "error", NULL};
static const char *const log_formats[] = {"logfmt", "json", NULL};

/* In the order of the sample file, a group after the other. */
const struct config_setting settings_table[] = {
    ROW("host_name", TEXT, host_name, "localhost",
        .meaning = "How this server calls itself: a name that DNS knows, for others to check."),
    ROW("data", TEXT, data_folder, "/var/lib/aviso",
        .meaning = "The folder of everything that is kept."),

    ROW("log.level", CHOICE, log_level, "info", .choices = log_levels,
        .meaning = "The least that is worth a line on standard error."),
    ROW("log.format", CHOICE, log_format, "logfmt", .choices = log_formats,
        .meaning = "The form of those lines."),

    ROW("threads.frontend", COUNT, frontend_loops, "0", "0", "256",
        .meaning = "Event loops for clients; 0: as many as half the processors."),
    ROW("threads.storage", COUNT, storage_loops, "0", "0", "256",
        .meaning = "Event loops for shards; 0: the same."),

    ROW("tls.certificate", TEXT, tls_certificate, "",
        .meaning = "A PEM file with the certificate and its chain; empty: no TLS. SIGHUP reads it "
                   "again."),
    ROW("tls.key", TEXT, tls_key, "", .meaning = "A PEM file with the certificate's private key."),

    ROW("storage.shards", COUNT, shard_count, "8", "1", "1024",
        .meaning = "How many shards a new standalone node makes; later it stays as it is."),
    ROW("storage.block_cache", SIZE, block_cache_size, "256MiB", "8MiB", NULL,
        .meaning = "Memory for what is read from disk."),
    ROW("storage.write_buffer", SIZE, write_buffer_size, "64MiB", "4MiB", "1GiB",
        .meaning = "Memory for what is not flushed yet; up to twice as much is used."),
    ROW("storage.log_cache", SIZE, log_cache_size, "64MiB", "1MiB", NULL,
        .meaning = "Memory for the log's latest entries."),
    ROW("storage.log_segment", SIZE, log_segment_size, "64MiB", "1MiB", "1GiB",
        .meaning = "The size of a file of the log."),

    ROW("cluster.name", TEXT, cluster_name, "aviso",
        .meaning = "The cluster this process belongs to, of small letters, digits and hyphens."),
    ROW("cluster.shards", COUNT, cluster_shards, "64", "1", "1024",
        .meaning = "How many shards `aviso cluster init` makes."),
    ROW("cluster.voters", COUNT, cluster_voters, "3", "1", "7",
        .meaning = "How many copies of each shard vote: 3 bear the loss of one node, 5 of two."),
    ROW("cluster.replace_after", DURATION_MS, replace_after_ms, "5m", "10s", "1d",
        .meaning = "How long a node may be away before its copies are made elsewhere."),
    ROW("etcd.endpoints", LIST, etcd_endpoints, "http://127.0.0.1:2379",
        .meaning = "The members of etcd, http or https; any of them will do."),
    ROW("etcd.user", TEXT, etcd_user, "", .meaning = "A user of etcd; empty: no login."),
    ROW("etcd.password_file", TEXT, etcd_password_file, "",
        .meaning = "A file with the user's password."),
    ROW("etcd.authorities", TEXT, etcd_authorities, "",
        .meaning = "A PEM file of those who vouch for etcd; empty: the system's."),
    ROW("etcd.certificate", TEXT, etcd_certificate, "",
        .meaning = "A PEM file with our certificate for etcd; empty: none."),
    ROW("etcd.key", TEXT, etcd_key, "", .meaning = "A PEM file with its private key."),
    ROW("node.listen", TEXT, node_listen, "127.0.0.1:4190",
        .meaning = "Where a storage node listens for others: an address with a port."),
    ROW("node.address", TEXT, node_address, "",
        .meaning = "The numeric address where others reach it; empty: the one it listens on."),
    ROW("node.zone", TEXT, node_zone, "",
        .meaning = "What fails as one: the copies of a shard are in different zones."),
    ROW("node.region", TEXT, node_region, "", .meaning = "Where the zone is."),
    ROW("node.host", TEXT, node_host, "",
        .meaning = "The machine, where several nodes share one: no two copies are on it."),
    ROW("rpc.certificate", TEXT, rpc_certificate, "",
        .meaning = "A PEM file with what a process proves itself with to storage nodes and they "
                   "to it; empty: plain, on loopback."),
    ROW("rpc.key", TEXT, rpc_key, "", .meaning = "A PEM file with its private key."),
    ROW("rpc.authorities", TEXT, rpc_authorities, "",
        .meaning = "A PEM file of those who vouch for the others."),
    ROW("rpc.plain", FLAG, rpc_plain, "no",
        .meaning = "Without certificates also beyond loopback: for a network of its own."),

    ROW("smtp.listen", LIST, smtp_listen, "",
        .meaning = "Where mail from everybody comes in: addresses with ports, such as *:25."),
    ROW("smtp.message_size_max", SIZE, message_size_max, "50MiB", "64KiB", "1GiB",
        .meaning = "The largest message taken, over any protocol."),
    ROW("smtp.recipients_max", COUNT, recipients_max, "1000", "100", "10000",
        .meaning = "The most recipients of one message."),
    ROW("smtp.hops_max", COUNT, hops_max, "100", "10", "1000",
        .meaning = "Received fields before a message counts as going in a circle."),
    ROW("smtp.idle_timeout", DURATION_MS, smtp_idle_timeout_ms, "5m", "10s", "1h",
        .meaning = "How long a client may be silent."),
    ROW("submission.listen", LIST, submission_listen, "",
        .meaning = "Where users send from, with STARTTLS, such as *:587."),
    ROW("submission.listen_tls", LIST, submissions_listen, "",
        .meaning = "The same in TLS from the start, such as *:465."),
    ROW("lmtp.listen", LIST, lmtp_listen, "",
        .meaning = "Where a neighbouring MTA hands mail over; it is trusted, so keep it private."),

    ROW("imap.listen", LIST, imap_listen, "", .meaning = "IMAP with STARTTLS, such as *:143."),
    ROW("imap.listen_tls", LIST, imaps_listen, "",
        .meaning = "IMAP in TLS from the start, such as *:993."),
    ROW("imap.idle_timeout", DURATION_MS, imap_idle_timeout_ms, "30m", "30m", "1d",
        .meaning = "How long a client may be silent once logged in."),

    ROW("pop3.listen", LIST, pop3_listen, "", .meaning = "POP3 with STLS, such as *:110."),
    ROW("pop3.listen_tls", LIST, pop3s_listen, "",
        .meaning = "POP3 in TLS from the start, such as *:995."),
    ROW("pop3.idle_timeout", DURATION_MS, pop3_idle_timeout_ms, "10m", "10m", "1d",
        .meaning = "How long a client may be silent."),
    ROW("pop3.messages_max", COUNT, pop3_messages_max, "1000000", "1000", "10000000",
        .meaning = "The largest mailbox that POP3 serves: it takes 24 octets a message."),

    ROW("http.listen", LIST, http_listen, "",
        .meaning = "The admin API, /metrics, /healthz and /readyz, such as 127.0.0.1:8080."),
    ROW("http.admin_token_file", TEXT, admin_token_file, "",
        .meaning = "A file with the token of the admin API; empty: admin_token in the data "
                   "folder, made at the first start."),

    ROW("login.in_clear", FLAG, login_in_clear, "no",
        .meaning = "Passwords without TLS, from loopback addresses alone."),
    ROW("login.domain", TEXT, login_domain, "",
        .meaning = "The domain of user names that have none."),
    ROW("login.cache", DURATION_MS, login_cache_ms, "1m", "0s", "1h",
        .meaning = "How long a right password is remembered, as a keyed digest."),
    ROW("login.hash_threads", COUNT, hash_threads, "2", "1", "64",
        .meaning = "Passwords checked at once; each takes 64 MiB for a moment."),

    ROW("limits.connections", COUNT, connections_max, "50000", "10", NULL,
        .meaning = "Connections of all clients of a listener together."),
    ROW("limits.connections_per_address", COUNT, connections_per_address_max, "1000", "1", NULL,
        .meaning = "Connections of one client address to a listener."),
    ROW("limits.errors", COUNT, errors_max, "20", "3", "1000",
        .meaning = "Refused commands before a session is ended."),
    ROW("limits.login_time", DURATION_MS, login_timeout_ms, "1m", "5s", "1h",
        .meaning = "How long a client may be silent before it has logged in."),
    ROW("limits.stop_time", DURATION_MS, stop_timeout_ms, "10s", "1s", "10m",
        .meaning = "How long sessions have to end when the server stops."),

    ROW("router.directory_cache", DURATION_MS, directory_cache_ms, "5s", "0s", "5m",
        .meaning = "How old an answer of the directory may be."),
    ROW("router.directory_cache_entries", COUNT, directory_cache_count_max, "100000", "100", NULL,
        .meaning = "How many answers of the directory each loop keeps."),
    ROW("router.timeout", DURATION_MS, call_timeout_ms, "30s", "1s", "5m",
        .meaning = "How long storage may take before a client is told to try again."),
};

const size_t settings_count = COUNT_OF(settings_table);
