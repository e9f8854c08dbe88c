/* What compact_lanes_type.h was given, and what it defined. */
#undef COMPACT_REAL
#undef COMPACT_REAL_BYTES
#undef COMPACT_INTEGER
#undef COMPACT_INTEGER_MAX
#undef COMPACT_SQRT
#undef COMPACT_SMALL
#undef COMPACT_SCALE
#undef COMPACT_SAFE
#undef COMPACT_LEAST
#undef COMPACT_ROUNDOFF
#undef COMPACT_LANES_NAME
#undef LANES
#undef LANE_INLINE
#undef VECTOR
#undef MASK
#undef ZIP_LOW
#undef ZIP_HIGH
