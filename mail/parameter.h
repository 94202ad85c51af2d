/* Parameters of MIME fields as people mean them (RFC 2231): sections joined, charsets decoded.
 * Pure. One reading for all who ask: a filter and a client never see two names of one attachment.
 */
#ifndef AVISO_MAIL_PARAMETER_H
#define AVISO_MAIL_PARAMETER_H

#include "mail/digest.h"

enum { PARAMETER_SIZE_MAX = DIGEST_TEXT_SIZE_MAX };

/* Appends the value of the parameter as UTF-8: of "name*0", "name*1*" and so on in the order of
 * their numbers up to the first that is missing, else of "name*" or "name". Encoded words, which do
 * not belong there but are common, are decoded, too. NOT_FOUND: there is none. TOO_LARGE: no room
 * for CHARSET_GROWTH * PARAMETER_SIZE_MAX octets. */
NODISCARD enum status parameter_value(const struct digest_parameters *parameters, const char *name,
                                      struct buffer *output);

/* The file name of a part, without a path in front: "filename" of its disposition, or "name" of its
 * type. The same failures. */
NODISCARD enum status parameter_file_name(const struct digest_part *part, struct buffer *output);

#endif
