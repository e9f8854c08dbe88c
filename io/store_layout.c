#include "store_layout.h"

/* A field of a row: a number, an array of numbers, or a string of `count` bytes. */
struct field {
    const char *name; /* NULL: the end */
    size_t offset;
    enum sheaf_type type;
    int count; /* 1: a single number */
    bool text;
};

#define NUMBER(row, field, type)                                                                                       \
    {                                                                                                                  \
#field, offsetof(struct row, field), type, 1, false                                                            \
    }
#define NUMBERS(row, field, type, count)                                                                               \
    {                                                                                                                  \
#field, offsetof(struct row, field), type, count, false                                                        \
    }
#define TEXT(row, field)                                                                                               \
    {                                                                                                                  \
#field, offsetof(struct row, field), SHEAF_U8, (int)sizeof(((struct row *)0)->field), true                     \
    }
#define END                                                                                                            \
    {                                                                                                                  \
        NULL, 0, SHEAF_U8, 0, false                                                                                    \
    }

static const struct field chunk_fields[] = {
    NUMBER(record_chunk, state, SHEAF_U8),
    NUMBER(record_chunk, fate, SHEAF_U8),
    NUMBER(record_chunk, attempts, SHEAF_U16),
    {"class", offsetof(struct record_chunk, class_index), SHEAF_U32, 1, false},
    NUMBER(record_chunk, first, SHEAF_I64),
    NUMBER(record_chunk, count, SHEAF_U32),
    NUMBER(record_chunk, failed, SHEAF_U32),
    NUMBER(record_chunk, run, SHEAF_U32),
    NUMBER(record_chunk, host, SHEAF_U32),
    NUMBER(record_chunk, rank, SHEAF_U32),
    NUMBER(record_chunk, worker, SHEAF_U16),
    NUMBER(record_chunk, width, SHEAF_U16),
    NUMBER(record_chunk, read_start, SHEAF_F64),
    NUMBER(record_chunk, compute_start, SHEAF_F64),
    NUMBER(record_chunk, write_start, SHEAF_F64),
    NUMBER(record_chunk, read_seconds, SHEAF_F32),
    NUMBER(record_chunk, compute_seconds, SHEAF_F32),
    NUMBER(record_chunk, write_seconds, SHEAF_F32),
    NUMBER(record_chunk, task, SHEAF_U32),
    NUMBER(record_chunk, result_checksum, SHEAF_U64),
    NUMBER(record_chunk, sequence, SHEAF_U64),
    NUMBER(record_chunk, care, SHEAF_U8),
    NUMBER(record_chunk, signal, SHEAF_U8),
    NUMBER(record_chunk, reading, SHEAF_U16),
    NUMBER(record_chunk, oom_kills, SHEAF_U32),
    NUMBER(record_chunk, checksum, SHEAF_U64),
    END,
};

static const struct field run_fields[] = {
    NUMBER(record_run, state, SHEAF_U32),
    NUMBER(record_run, number, SHEAF_U32),
    NUMBER(record_run, pid, SHEAF_I64),
    NUMBER(record_run, start, SHEAF_F64),
    NUMBER(record_run, end, SHEAF_F64),
    NUMBER(record_run, heartbeat, SHEAF_F64),
    NUMBER(record_run, ranks, SHEAF_U32),
    NUMBER(record_run, nodes, SHEAF_U32),
    NUMBER(record_run, ranks_per_node, SHEAF_U32),
    NUMBER(record_run, threads, SHEAF_U32),
    NUMBER(record_run, width, SHEAF_U32),
    TEXT(record_run, host),
    TEXT(record_run, version),
    TEXT(record_run, mpi),
    TEXT(record_run, hdf5),
    TEXT(record_run, blas),
    TEXT(record_run, core),
    TEXT(record_run, layout),
    TEXT(record_run, choices),
    NUMBER(record_run, checksum, SHEAF_U64),
    END,
};

static const struct field mark_fields[] = {
    NUMBER(record_mark, run, SHEAF_U32),
    NUMBER(record_mark, sequence, SHEAF_U64),
    NUMBER(record_mark, time, SHEAF_F64),
    NUMBER(record_mark, checksum, SHEAF_U64),
    END,
};

static const struct field operand_fields[] = {
    TEXT(store_operand_row, text),
    TEXT(store_operand_row, path),
    TEXT(store_operand_row, dataset),
    NUMBER(store_operand_row, kind, SHEAF_U32),
    NUMBER(store_operand_row, type, SHEAF_U32),
    NUMBER(store_operand_row, shared, SHEAF_U32),
    NUMBER(store_operand_row, distribution, SHEAF_U32),
    NUMBER(store_operand_row, lead_ndim, SHEAF_U32),
    NUMBER(store_operand_row, core_ndim, SHEAF_U32),
    NUMBERS(store_operand_row, lead, SHEAF_I64, SHEAF_NDIM_MAX),
    NUMBERS(store_operand_row, core, SHEAF_I64, SHEAF_NDIM_MAX),
    NUMBER(store_operand_row, file_bytes, SHEAF_I64),
    NUMBER(store_operand_row, file_mtime, SHEAF_I64),
    NUMBER(store_operand_row, fingerprint, SHEAF_U64),
    NUMBER(store_operand_row, offset, SHEAF_I64),
    NUMBER(store_operand_row, seed, SHEAF_U64),
    NUMBER(store_operand_row, operand, SHEAF_U32),
    NUMBER(store_operand_row, file_type, SHEAF_U32),
    NUMBER(store_operand_row, swapped, SHEAF_U32),
    NUMBER(store_operand_row, slice_first, SHEAF_I64),
    NUMBER(store_operand_row, slice_step, SHEAF_I64),
    END,
};

static const struct field class_fields[] = {
    NUMBER(store_class_row, tasks, SHEAF_I64),
    NUMBER(store_class_row, first_position, SHEAF_I64),
    NUMBER(store_class_row, first_chunk, SHEAF_I64),
    NUMBER(store_class_row, chunks, SHEAF_I64),
    NUMBER(store_class_row, tasks_per_chunk, SHEAF_I64),
    NUMBER(store_class_row, flops, SHEAF_F64),
    NUMBER(store_class_row, input_bytes, SHEAF_I64),
    NUMBER(store_class_row, output_bytes, SHEAF_I64),
    END,
};

/* A table: rows of fields, or, without fields, of one number or (row_bytes greater than its size) one string. */
static const struct table {
    const char *name;
    size_t row_bytes;
    const struct field *fields;
    enum sheaf_type type;
} tables[STORE_TABLE_COUNT] = {
    [STORE_STATUS] = {"status", 1, NULL, SHEAF_U8},
    [STORE_INFO] = {"info", 4, NULL, SHEAF_I32},
    [STORE_CHUNKS] = {"chunks", sizeof(struct record_chunk), chunk_fields, SHEAF_U8},
    [STORE_RUNS] = {"runs", sizeof(struct record_run), run_fields, SHEAF_U8},
    [STORE_HOSTS] = {"hosts", RECORD_HOST_BYTES, NULL, SHEAF_U8},
    [STORE_MARKS] = {"marks", sizeof(struct record_mark), mark_fields, SHEAF_U8},
    [STORE_COMMAND] = {"command", 1, NULL, SHEAF_U8},
    [STORE_OUTPUTS] = {"outputs", 1, NULL, SHEAF_U8},
    [STORE_OPERANDS] = {"operands", sizeof(struct store_operand_row), operand_fields, SHEAF_U8},
    [STORE_CLASSES] = {"classes", sizeof(struct store_class_row), class_fields, SHEAF_U8},
    [STORE_ORDER] = {"order", 8, NULL, SHEAF_I64},
    [STORE_NAMES] = {"names", 1, NULL, SHEAF_U8},
};

const char *
store_table_name(enum store_table table)
{
    return tables[table].name;
}

size_t
store_table_row_bytes(enum store_table table)
{
    return tables[table].row_bytes;
}

static hid_t
make_text(size_t bytes)
{
    hid_t type = H5Tcopy(H5T_C_S1);

    if (type >= 0 && (H5Tset_size(type, bytes) < 0 || H5Tset_strpad(type, H5T_STR_NULLPAD) < 0)) {
        H5Tclose(type);
        return H5I_INVALID_HID;
    }
    return type;
}

static hid_t
make_field(const struct field *field)
{
    if (field->text)
        return make_text((size_t)field->count);
    hid_t number = hdf5_guard_type_to(field->type);
    if (number < 0 || field->count == 1)
        return number;
    const hsize_t count = (hsize_t)field->count;
    hid_t array = H5Tarray_create2(number, 1, &count);
    H5Tclose(number);
    return array;
}

hid_t
store_table_type(enum store_table table)
{
    const struct table *about = &tables[table];

    if (!about->fields)
        return about->row_bytes > sheaf_type_size(about->type) ? make_text(about->row_bytes)
                                                               : hdf5_guard_type_to(about->type);
    hid_t type = H5Tcreate(H5T_COMPOUND, about->row_bytes);
    for (const struct field *field = about->fields; type >= 0 && field->name; field++) {
        hid_t member = make_field(field);
        if (member < 0 || H5Tinsert(type, field->name, field->offset, member) < 0) {
            H5Tclose(type);
            type = H5I_INVALID_HID;
        }
        if (member >= 0)
            H5Tclose(member);
    }
    return type;
}
