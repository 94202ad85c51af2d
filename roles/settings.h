/* All settings of `aviso`, from one file for all roles: the table, and the structure that it fills.
 */
#ifndef AVISO_ROLES_SETTINGS_H
#define AVISO_ROLES_SETTINGS_H

#include "core/config.h"

struct settings {
    struct slice host_name;
    struct slice data_folder;
    uint64_t frontend_loops; /* 0: as many as fit the role */
    uint64_t storage_loops;

    uint64_t log_level;  /* of enum log_level */
    uint64_t log_format; /* of enum log_format */

    struct slice tls_certificate;
    struct slice tls_key;

    uint64_t shard_count;
    uint64_t block_cache_size;
    uint64_t write_buffer_size;
    uint64_t log_cache_size;
    uint64_t log_segment_size;

    struct slice cluster_name;
    uint64_t cluster_shards;
    uint64_t cluster_voters;
    uint64_t replace_after_ms;
    struct config_list etcd_endpoints;
    struct slice etcd_user;
    struct slice etcd_password_file;
    struct slice etcd_authorities;
    struct slice etcd_certificate;
    struct slice etcd_key;
    struct slice node_listen;
    struct slice node_address;
    struct slice node_zone;
    struct slice node_region;
    struct slice node_host;
    struct slice rpc_certificate;
    struct slice rpc_key;
    struct slice rpc_authorities;
    bool rpc_plain;

    struct config_list smtp_listen;
    struct config_list submission_listen;
    struct config_list submissions_listen;
    struct config_list lmtp_listen;
    uint64_t message_size_max;
    uint64_t recipients_max;
    uint64_t hops_max;
    uint64_t smtp_idle_timeout_ms;

    struct config_list imap_listen;
    struct config_list imaps_listen;
    uint64_t imap_idle_timeout_ms;

    struct config_list pop3_listen;
    struct config_list pop3s_listen;
    uint64_t pop3_idle_timeout_ms;
    uint64_t pop3_messages_max;

    struct config_list http_listen;
    struct slice admin_token_file;

    bool login_in_clear;
    struct slice login_domain;
    uint64_t login_cache_ms;
    uint64_t hash_threads;

    uint64_t connections_max;
    uint64_t connections_per_address_max;
    uint64_t errors_max;
    uint64_t login_timeout_ms;
    uint64_t stop_timeout_ms;

    uint64_t directory_cache_ms;
    uint64_t directory_cache_count_max;
    uint64_t call_timeout_ms;
};

extern const struct config_setting settings_table[];
extern const size_t settings_count;

#endif
