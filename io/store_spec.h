/**
 * @file store_spec.h
 * Whether what a results file is to hold fits together. For io/store*.c only. Pure.
 */
#ifndef SHEAF_STORE_SPEC_H
#define SHEAF_STORE_SPEC_H

#include "store.h"

/** @return SHEAF_OK; SHEAF_INTERNAL: a caller's mistake, which would place results wrongly */
enum sheaf_status store_spec_check(const struct store_spec *spec, struct sheaf_error *error);

/** @return how many of the outputs are grouped */
int store_spec_grouped(const struct store_spec *spec);

#endif
