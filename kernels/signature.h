/**
 * @file signature.h
 * A gufunc signature: parsed, and matched against operands. Pure.
 */
#ifndef SHEAF_SIGNATURE_H
#define SHEAF_SIGNATURE_H

#include "sheaf/kernel.h"

enum { SIGNATURE_NAMES_MAX = 16, SIGNATURE_NAME_BYTES = 16 };

/** "(m,k),(k,n)->(m,n)" taken apart: each argument's extents as indices into `names`. */
struct signature {
    int input_count; /**< written ones; `variadic` stands for more */
    int output_count;
    bool variadic; /**< the last input repeats */
    int name_count;
    char names[SIGNATURE_NAMES_MAX][SIGNATURE_NAME_BYTES];
    struct signature_argument {
        int ndim;
        int name[SHEAF_NDIM_MAX];
    } inputs[SHEAF_OPERANDS_MAX], outputs[SHEAF_OUTPUTS_MAX];
};

/**
 * Parse a signature.
 * @param[in]  text       as in sheaf_kernel.signature
 * @param[out] signature  complete on success
 * @return SHEAF_OK, or SHEAF_USAGE with the place of the mistake
 */
enum sheaf_status signature_parse(const char *text, struct signature *signature, struct sheaf_error *error);

/** Core dimensions of input i, the repeated ones of a variadic signature too. */
int signature_input_ndim(const struct signature *signature, int input);

/**
 * Check operands against a kernel and settle its outputs: counts, names' extents, accepted types,
 * the kernel's own `infer`, and that every extent is positive and fits BLAS's int.
 *
 * @param[in]     kernel   its signature, accepts, infer and workspace_bytes are used
 * @param[in,out] problem  inputs and parameters complete; outputs are filled
 * @param[in]     labels   how messages call each input ("beams.h5:/a"), input_count of them
 * @return SHEAF_OK, SHEAF_USAGE (number of operands), SHEAF_BAD_DATA (all else)
 */
enum sheaf_status signature_match(const struct sheaf_kernel *kernel, struct sheaf_problem *problem,
                                  const char *const *labels, struct sheaf_error *error);

#endif
