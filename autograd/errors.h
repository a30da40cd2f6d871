// The errors of autograd: functions that check arguments, and functions that throw. Their texts are
// in errors.cc, so that they do not interrupt the code that calls them.
//
// Internal. Read next: autograd/errors.cc.
#pragma once

#include <tapegrad/autograd/tape.h>

namespace tapegrad::detail {

void check_differentiable(const char* operation, DType dtype);  // DTypeError
// ShapeError unless both have the same sizes and type.
void check_same(const char* operation, const Tensor& given, const Tensor& needed);
// The output's gradient with which backward() or grad() begins: `given`, or 1 if that is undefined.
// AutogradError or ShapeError if a pass cannot begin at this output.
Tensor checked_start(const char* operation, const Variable& output, const Tensor& given);
// ShapeError unless `given`, returned by a rule of `from`, fits a table of these sizes.
void check_rows(const Entry& from, const RowSparse& given, std::span<const std::int64_t> sizes);

[[noreturn]] void throw_no_leaf(bool is_constant);
[[noreturn]] void throw_no_grad();
[[noreturn]] void throw_no_row_grad(bool has_dense);
[[noreturn]] void throw_frozen_result();
[[noreturn]] void throw_stale(const Entry& firing);
[[noreturn]] void throw_consumed(const Entry& entry);
[[noreturn]] void throw_other_thread(const char* operation);
[[noreturn]] void throw_nested();
[[noreturn]] void throw_bad_gradient(const Entry* from, std::span<const std::int64_t> given,
                                     std::span<const std::int64_t> needed);
[[noreturn]] void throw_no_inputs();
[[noreturn]] void throw_untracked_input(std::size_t position);  // in the inputs of grad()
[[noreturn]] void throw_unused_input(std::size_t position);

}  // namespace tapegrad::detail
