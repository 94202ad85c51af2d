#include "frontend/imap/imap_status_items.h"

#include "frontend/imap/imap_text.h"

static const struct status_word {
    const char *word;
    enum imap_status_item item;
} status_words[] = {
    {"MESSAGES", STATUS_MESSAGES},
    {"RECENT", STATUS_RECENT},
    {"UIDNEXT", STATUS_UIDNEXT},
    {"UIDVALIDITY", STATUS_UIDVALIDITY},
    {"UNSEEN", STATUS_UNSEEN},
    {"SIZE", STATUS_SIZE},
    {"HIGHESTMODSEQ", STATUS_HIGHESTMODSEQ},
    {"APPENDLIMIT", STATUS_APPENDLIMIT},
    {"DELETED", STATUS_DELETED},
};

static bool take_item(struct imap_parser *parser, unsigned *items)
{
    struct slice word;

    if (!imap_take_atom(parser, &word)) {
        return false;
    }
    for (size_t i = 0; i < COUNT_OF(status_words); i++) {
        if (slice_is(word, status_words[i].word)) {
            *items |= status_words[i].item;
            return true;
        }
    }
    parser->fault = "unknown STATUS item";
    return false;
}

bool imap_take_status_items(struct imap_parser *parser, unsigned *out_items)
{
    unsigned items = 0;

    if (!imap_take_octet(parser, '(')) {
        return false;
    }
    do {
        if (!take_item(parser, &items)) {
            return false;
        }
    } while (imap_take_space(parser));
    *out_items = items;
    return imap_take_octet(parser, ')');
}

static uint64_t value_of(const struct mailbox_record *record, enum imap_status_item item,
                         uint64_t append_size_max)
{
    switch (item) {
    case STATUS_MESSAGES:
        return record->message_count;
    case STATUS_RECENT:
        return record->recent_count;
    case STATUS_UIDNEXT:
        return record->uid_next;
    case STATUS_UIDVALIDITY:
        return record->uid_validity;
    case STATUS_UNSEEN:
        return record->unseen_count;
    case STATUS_SIZE:
        return record->size_octets;
    case STATUS_HIGHESTMODSEQ:
        return record->modseq;
    case STATUS_APPENDLIMIT:
        return append_size_max;
    case STATUS_DELETED:
        return record->deleted_count;
    }
    return 0;
}

void imap_append_status(struct buffer *output, struct slice name, unsigned items,
                        const struct mailbox_record *record, uint64_t append_size_max)
{
    const char *before = "";

    buffer_append(output, SLICE("* STATUS "));
    imap_append_mailbox(output, name);
    buffer_append(output, SLICE(" ("));
    for (size_t i = 0; i < COUNT_OF(status_words); i++) {
        if ((items & status_words[i].item) != 0) {
            buffer_printf(output, "%s%s ", before, status_words[i].word);
            imap_append_number(output, value_of(record, status_words[i].item, append_size_max));
            before = " ";
        }
    }
    buffer_append(output, SLICE(")\r\n"));
}
