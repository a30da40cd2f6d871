// The tables that the isa_*.cc files define, for table.cc alone. Read next: isa.inl.
#pragma once

#include <tapegrad/tensor/kernels/kernels.h>

namespace tapegrad::kernel {

const Table<float>& float_table_base();
const Table<double>& double_table_base();
#if defined(__x86_64__)
const Table<float>& float_table_avx2();
const Table<double>& double_table_avx2();
const Table<float>& float_table_avx512();
const Table<double>& double_table_avx512();
#endif

}  // namespace tapegrad::kernel
