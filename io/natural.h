/**
 * @file natural.h
 * The order in which people count: b2 before b10. Pure.
 */
#ifndef SHEAF_NATURAL_H
#define SHEAF_NATURAL_H

/**
 * Compare two names: digits by the number they make, "/" before all else, so that what begins alike stays together,
 * other bytes by their value. Names that only differ in leading zeros come in the order of their bytes.
 * @return negative, 0 (the same bytes), positive
 */
int natural_compare(const char *a, const char *b);

#endif
