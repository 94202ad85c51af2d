/* What a storage node is, before it is anything else: its number and its address. */
#ifndef AVISO_ROLES_STORAGE_NUMBER_H
#define AVISO_ROLES_STORAGE_NUMBER_H

#include "roles/settings.h"

enum { STORAGE_ADDRESS_SIZE_MAX = 64 };

/* The number in the data folder's file, which is made, by chance, when it is not there: a node
 * whose disk is lost is another node. Logged when it fails. */
NODISCARD enum status storage_number_open(struct slice data_folder, uint32_t *out_number);

/* "127.0.0.1:4190" or "[::1]:4190" into its parts. INVALID: it is neither. */
NODISCARD enum status storage_cut_address(struct slice text,
                                          char out_address[STORAGE_ADDRESS_SIZE_MAX],
                                          uint16_t *out_port);

#endif
