/**
 * @file fuzz.h
 * What the targets share. A target is a function of bytes: libFuzzer calls it with those that it makes up, replay.c with
 * those of files.
 */
#ifndef SHEAF_FUZZ_H
#define SHEAF_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/** The target. @return 0 */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

/** Stop here if something is not as it has to be: a finding as good as a crash. */
void fuzz_demand(int good, const char *what);

/** @return the bytes as a text, malloc'ed */
char *fuzz_text(const uint8_t *bytes, size_t count);

/** Write the bytes into a file of this process's own, in TMPDIR. @return its path */
const char *fuzz_file(const uint8_t *bytes, size_t count);

#endif
