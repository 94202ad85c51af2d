#include "roles/ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "core/config.h"
#include "core/macros.h"
#include "core/number.h"

enum { LINE_SIZE_MAX = 2048 };

typedef enum ctl_exit command_fn(const struct ctl *ctl);

static command_fn add_domain, list_domains, remove_domain, add_account, list_accounts, show_account,
    set_password, set_quota, suspend_account, resume_account, remove_account, put_alias, put_group,
    list_aliases, list_groups, remove_name, list_mailboxes, show_status;

/* The whole of what can be said. */
static const struct command {
    const char *noun;
    const char *verb;
    int least; /* arguments */
    int most;
    const char *arguments;
    command_fn *run;
    const char *meaning;
} commands[] = {
    {"domain", "add", 1, 1, "DOMAIN [--catch-all ADDRESS]", add_domain, "take mail for a domain"},
    {"domain", "list", 0, 0, "", list_domains, "the domains of this service"},
    {"domain", "remove", 1, 1, "DOMAIN", remove_domain, "no mail for it any more"},
    {"account", "add", 1, 1,
     "ADDRESS [--password P | --password-stdin | --credential HASH] [--quota SIZE] "
     "[--quota-messages N]",
     add_account, "somebody who gets mail; asks for the password on a terminal"},
    {"account", "list", 0, 1, "[DOMAIN]", list_accounts, "the accounts, of all domains or of one"},
    {"account", "show", 1, 1, "ADDRESS", show_account, "quota, usage and state of one"},
    {"account", "password", 1, 1, "ADDRESS [--password P | --password-stdin | --credential HASH]",
     set_password, "a new password, at once"},
    {"account", "quota", 2, 3, "ADDRESS SIZE [MESSAGES]", set_quota,
     "how much it may keep; 0 is no limit"},
    {"account", "suspend", 1, 1, "ADDRESS", suspend_account, "no mail, no login, nothing removed"},
    {"account", "resume", 1, 1, "ADDRESS", resume_account, "the end of that"},
    {"account", "remove", 1, 1, "ADDRESS --yes", remove_account, "the account and all its mail"},
    {"alias", "add", 2, 2, "ADDRESS TARGET", put_alias, "another address of an account"},
    {"alias", "list", 0, 1, "[DOMAIN]", list_aliases, "the aliases"},
    {"alias", "remove", 1, 1, "ADDRESS", remove_name, "no such address any more"},
    {"group", "add", 2, 1001, "ADDRESS MEMBER...", put_group,
     "an address for several; again to change it"},
    {"group", "list", 0, 1, "[DOMAIN]", list_groups, "the groups and their members"},
    {"group", "remove", 1, 1, "ADDRESS", remove_name, "no such group any more"},
    {"mailbox", "list", 1, 1, "ADDRESS", list_mailboxes, "the mailboxes of an account"},
    {"status", "", 0, 0, "", show_status, "whether the service answers, and what it holds"},
};

/* ---- Usage ---- */

static void print_help(FILE *output)
{
    fputs("usage: avisoctl [OPTION...] NOUN VERB [ARGUMENT...]\n\n", output);
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        const struct command *command = &commands[i];

        fprintf(output, "  %s%s%s%s%s\n      %s\n", command->noun,
                command->verb[0] != '\0' ? " " : "", command->verb,
                command->arguments[0] != '\0' ? " " : "", command->arguments, command->meaning);
    }
    fputs("\n  --url URL          the server [AVISO_URL, or http://127.0.0.1:8080]\n"
          "  --token-file FILE  its token [AVISO_TOKEN_FILE, or /var/lib/aviso/admin_token]\n"
          "  -o table|json      how to print\n\n"
          "exit codes: 0 done, 1 refused, 2 usage, 3 no such thing, 4 exists or changed,\n"
          "            5 not reachable, 6 wrong token\n",
          output);
}

static int usage(void)
{
    print_help(stderr);
    return CTL_USAGE;
}

/* ---- Passwords ---- */

/* A line that does not fit is none: half a password would lock its owner out. */
static bool read_line(char *line)
{
    if (fgets(line, LINE_SIZE_MAX, stdin) == NULL) {
        return false;
    }
    if (strchr(line, '\n') == NULL && strlen(line) + 1 == LINE_SIZE_MAX) {
        fputs("avisoctl: that password is too long\n", stderr);
        return false;
    }
    line[strcspn(line, "\r\n")] = '\0';
    return line[0] != '\0';
}

static bool ask_password(char *password)
{
    struct termios before;
    struct termios silent;

    if (tcgetattr(STDIN_FILENO, &before) != 0) {
        return false;
    }
    fputs("Password: ", stderr);
    silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    bool given = read_line(password);

    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    fputc('\n', stderr);
    return given;
}

/* Puts "password" or "credential" into `body`; false, and it is said why: there is none. */
static bool put_secret(const struct ctl *ctl, json_t *body)
{
    char password[LINE_SIZE_MAX];

    if (ctl->credential != NULL) {
        json_object_set_new(body, "credential", json_string(ctl->credential));
        return true;
    }
    if (ctl->password != NULL) {
        json_object_set_new(body, "password", json_string(ctl->password));
        return true;
    }
    bool given = ctl->password_from_stdin ? read_line(password)
                                          : isatty(STDIN_FILENO) && ask_password(password);

    if (!given) {
        fputs("avisoctl: no password was given: use --password-stdin, --password or "
              "--credential\n",
              stderr);
        return false;
    }
    json_object_set_new(body, "password", json_string(password));
    explicit_bzero(password, sizeof(password));
    return true;
}

/* "10GiB", or "0" for none. */
static bool put_number(json_t *body, const char *member, enum config_kind kind, const char *text)
{
    uint64_t number = 0;
    bool is_none = strcmp(text, "0") == 0;

    if (!is_none && config_number(kind, slice_of(text), &number) != STATUS_OK) {
        fprintf(stderr, "avisoctl: %s is not %s\n", text,
                kind == CONFIG_SIZE ? "a size such as 10GiB" : "a number");
        return false;
    }
    json_object_set_new(body, member, json_integer((json_int_t)number));
    return true;
}

/* ---- Commands ---- */

static enum ctl_exit call_quietly(const struct ctl *ctl, const char *method, const char *path,
                                  const char *name, json_t *body)
{
    json_t *answer = NULL;
    enum ctl_exit result = ctl_call(ctl, method, path, name, "", body, &answer);

    if (result == CTL_DONE && ctl->as_json && answer != NULL) {
        ctl_print_object(ctl, answer);
    }
    json_decref(answer);
    return result;
}

static enum ctl_exit call_list(const struct ctl *ctl, const char *path, const char *name,
                               const char *after, const struct ctl_column *columns, size_t count)
{
    json_t *answer = NULL;
    enum ctl_exit result = ctl_call(ctl, "GET", path, name, after, NULL, &answer);

    if (result == CTL_DONE) {
        ctl_print_list(ctl, answer, columns, count);
    }
    json_decref(answer);
    return result;
}

static enum ctl_exit call_object(const struct ctl *ctl, const char *path, const char *name)
{
    json_t *answer = NULL;
    enum ctl_exit result = ctl_call(ctl, "GET", path, name, "", NULL, &answer);

    if (result == CTL_DONE) {
        ctl_print_object(ctl, answer);
    }
    json_decref(answer);
    return result;
}

static enum ctl_exit add_domain(const struct ctl *ctl)
{
    json_t *body = json_object();

    json_object_set_new(body, "domain", json_string(ctl->words[2]));
    if (ctl->catch_all != NULL) {
        json_object_set_new(body, "catch_all", json_string(ctl->catch_all));
    }
    return call_quietly(ctl, "POST", "/domains", NULL, body);
}

static enum ctl_exit list_domains(const struct ctl *ctl)
{
    static const struct ctl_column columns[] = {{"domain", "DOMAIN", false},
                                                {"catch_all", "CATCH-ALL", false}};

    return call_list(ctl, "/domains", NULL, "", columns, COUNT_OF(columns));
}

static enum ctl_exit remove_domain(const struct ctl *ctl)
{
    return call_quietly(ctl, "DELETE", "/domains/", ctl->words[2], NULL);
}

static enum ctl_exit add_account(const struct ctl *ctl)
{
    json_t *body = json_object();

    json_object_set_new(body, "address", json_string(ctl->words[2]));
    if ((ctl->quota != NULL && !put_number(body, "quota_octets", CONFIG_SIZE, ctl->quota)) ||
        (ctl->quota_messages != NULL &&
         !put_number(body, "quota_messages", CONFIG_COUNT, ctl->quota_messages)) ||
        !put_secret(ctl, body)) {
        json_decref(body);
        return CTL_USAGE;
    }
    return call_quietly(ctl, "POST", "/accounts", NULL, body);
}

static enum ctl_exit list_accounts(const struct ctl *ctl)
{
    static const struct ctl_column columns[] = {
        {"address", "ADDRESS", false}, {"shard", "SHARD", false}, {"id", "ID", false}};

    return call_list(ctl, ctl->word_count > 2 ? "/accounts?domain=" : "/accounts",
                     ctl->word_count > 2 ? ctl->words[2] : NULL, "", columns, COUNT_OF(columns));
}

static enum ctl_exit show_account(const struct ctl *ctl)
{
    return call_object(ctl, "/accounts/", ctl->words[2]);
}

static enum ctl_exit set_password(const struct ctl *ctl)
{
    json_t *body = json_object();

    if (!put_secret(ctl, body)) {
        json_decref(body);
        return CTL_USAGE;
    }
    return call_quietly(ctl, "PATCH", "/accounts/", ctl->words[2], body);
}

static enum ctl_exit set_quota(const struct ctl *ctl)
{
    json_t *body = json_object();

    if (!put_number(body, "quota_octets", CONFIG_SIZE, ctl->words[3]) ||
        !put_number(body, "quota_messages", CONFIG_COUNT,
                    ctl->word_count > 4 ? ctl->words[4] : "0")) {
        json_decref(body);
        return CTL_USAGE;
    }
    return call_quietly(ctl, "PATCH", "/accounts/", ctl->words[2], body);
}

static enum ctl_exit set_suspended(const struct ctl *ctl, bool suspended)
{
    json_t *body = json_object();

    json_object_set_new(body, "suspended", json_boolean(suspended));
    return call_quietly(ctl, "PATCH", "/accounts/", ctl->words[2], body);
}

static enum ctl_exit suspend_account(const struct ctl *ctl)
{
    return set_suspended(ctl, true);
}

static enum ctl_exit resume_account(const struct ctl *ctl)
{
    return set_suspended(ctl, false);
}

static enum ctl_exit remove_account(const struct ctl *ctl)
{
    if (!ctl->is_sure) {
        fprintf(stderr, "avisoctl: this removes %s and all its mail for good; say --yes to do it\n",
                ctl->words[2]);
        return CTL_USAGE;
    }
    return call_quietly(ctl, "DELETE", "/accounts/", ctl->words[2], NULL);
}

static enum ctl_exit put_name(const struct ctl *ctl, const char *kind)
{
    json_t *body = json_object();
    json_t *targets = json_array();

    for (int i = 3; i < ctl->word_count; i++) {
        json_array_append_new(targets, json_string(ctl->words[i]));
    }
    json_object_set_new(body, "kind", json_string(kind));
    json_object_set_new(body, "targets", targets);
    return call_quietly(ctl, "PUT", "/names/", ctl->words[2], body);
}

static enum ctl_exit put_alias(const struct ctl *ctl)
{
    return put_name(ctl, "alias");
}

static enum ctl_exit put_group(const struct ctl *ctl)
{
    return put_name(ctl, "group");
}

/* The server lists both; the noun says which is wanted. */
static enum ctl_exit list_names(const struct ctl *ctl, const char *kind)
{
    static const struct ctl_column columns[] = {{"address", "ADDRESS", false},
                                                {"targets", "TARGETS", false}};
    json_t *answer = NULL;
    json_t *wanted = json_array();
    enum ctl_exit result = ctl_call(ctl, "GET", ctl->word_count > 2 ? "/names?domain=" : "/names",
                                    ctl->word_count > 2 ? ctl->words[2] : NULL, "", NULL, &answer);

    for (size_t i = 0; i < json_array_size(answer); i++) {
        json_t *name = json_array_get(answer, i);
        const char *its_kind = json_string_value(json_object_get(name, "kind"));

        if (its_kind != NULL && strcmp(its_kind, kind) == 0) {
            json_array_append(wanted, name);
        }
    }
    if (result == CTL_DONE) {
        ctl_print_list(ctl, wanted, columns, COUNT_OF(columns));
    }
    json_decref(wanted);
    json_decref(answer);
    return result;
}

static enum ctl_exit list_aliases(const struct ctl *ctl)
{
    return list_names(ctl, "alias");
}

static enum ctl_exit list_groups(const struct ctl *ctl)
{
    return list_names(ctl, "group");
}

static enum ctl_exit remove_name(const struct ctl *ctl)
{
    return call_quietly(ctl, "DELETE", "/names/", ctl->words[2], NULL);
}

static enum ctl_exit list_mailboxes(const struct ctl *ctl)
{
    static const struct ctl_column columns[] = {
        {"name", "NAME", false},  {"messages", "MESSAGES", false}, {"unseen", "UNSEEN", false},
        {"octets", "SIZE", true}, {"special_use", "USE", false},
    };

    return call_list(ctl, "/accounts/", ctl->words[2], "/mailboxes", columns, COUNT_OF(columns));
}

static enum ctl_exit show_status(const struct ctl *ctl)
{
    return call_object(ctl, "/status", NULL);
}

/* ---- The command line ---- */

/* Options stand anywhere. False: an option that is not known, or lacks its value. */
static bool read_words(int count, char **words, struct ctl *ctl)
{
    const char *output = "table";
    const struct {
        const char *name;
        const char **value;
    } options[] = {
        {"--url", &ctl->url},
        {"--token-file", &ctl->token_file},
        {"--password", &ctl->password},
        {"--credential", &ctl->credential},
        {"--quota", &ctl->quota},
        {"--quota-messages", &ctl->quota_messages},
        {"--catch-all", &ctl->catch_all},
        {"-o", &output},
    };

    for (int i = 1; i < count; i++) {
        size_t known = 0;

        while (known < COUNT_OF(options) && strcmp(words[i], options[known].name) != 0) {
            known++;
        }
        if (known < COUNT_OF(options) && i + 1 < count) {
            *options[known].value = words[++i];
        } else if (strcmp(words[i], "--yes") == 0) {
            ctl->is_sure = true;
        } else if (strcmp(words[i], "--password-stdin") == 0) {
            ctl->password_from_stdin = true;
        } else if (words[i][0] == '-' || ctl->word_count == CTL_WORDS_MAX) {
            fprintf(stderr, "avisoctl: %s is not understood\n", words[i]);
            return false;
        } else {
            ctl->words[ctl->word_count++] = words[i];
        }
    }
    ctl->as_json = strcmp(output, "json") == 0;
    return ctl->as_json || strcmp(output, "table") == 0;
}

static const char *from_environment(const char *name, const char *otherwise)
{
    const char *value = getenv(name);

    return value != NULL && value[0] != '\0' ? value : otherwise;
}

int ctl_main(int count, char **words)
{
    static struct ctl ctl;

    if (count == 2 && (strcmp(words[1], "--help") == 0 || strcmp(words[1], "-h") == 0)) {
        print_help(stdout);
        return CTL_DONE;
    }
    ctl.url = from_environment("AVISO_URL", "http://127.0.0.1:8080");
    ctl.token_file = from_environment("AVISO_TOKEN_FILE", "/var/lib/aviso/admin_token");
    if (!read_words(count, words, &ctl) || ctl.word_count == 0) {
        return usage();
    }
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        const struct command *command = &commands[i];
        bool has_verb = command->verb[0] != '\0';
        int arguments = ctl.word_count - 1 - has_verb;

        if (strcmp(ctl.words[0], command->noun) != 0 ||
            (has_verb && (ctl.word_count < 2 || strcmp(ctl.words[1], command->verb) != 0))) {
            continue;
        }
        if (arguments < command->least || arguments > command->most) {
            fprintf(stderr, "usage: avisoctl %s %s %s\n", command->noun, command->verb,
                    command->arguments);
            return CTL_USAGE;
        }
        return (int)command->run(&ctl);
    }
    return usage();
}
