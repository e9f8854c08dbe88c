/**
 * @file promote.h
 * The types that operands are read as, where a kernel does not take what is stored, or operands differ. Pure.
 */
#ifndef SHEAF_PROMOTE_H
#define SHEAF_PROMOTE_H

#include "sheaf/kernel.h"

/**
 * The types that a kernel's operands are read as. Without a wanted one: what is stored where the kernel takes that, else
 * the next type that it takes and that loses nothing (integers as f64, f16 as f32); operands that must have one type get
 * their common one (convert.h). Where nothing fits, what is stored: then signature_match says why.
 * @param[in]  written  inputs in the kernel's signature; those beyond are repeats of its last
 * @param[in]  stored   (count)
 * @param[in]  wanted   for all operands, but those with types of their own that exclude it; SHEAF_TYPE_COUNT: none
 * @param[out] types    (count)
 */
void promote_types(const struct sheaf_kernel *kernel, int written, int count, const enum sheaf_type *stored,
                   enum sheaf_type wanted, enum sheaf_type *types);

#endif
