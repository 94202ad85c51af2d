/* One setting's text to its field: within core/config alone. */
#ifndef AVISO_CORE_CONFIG_VALUE_H
#define AVISO_CORE_CONFIG_VALUE_H

#include "core/config.h"

/* INVALID: appends what the setting wants to `out_fault`. */
NODISCARD enum status config_set(const struct config_setting *setting, struct slice text,
                                 struct arena *arena, void *config, struct buffer *out_fault);

#endif
