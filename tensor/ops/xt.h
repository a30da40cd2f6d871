// xtensor for the library's own sources, which include it only through this header. It includes the
// bridge, with its workaround, and then those of xtensor's algorithms that rarely used operations
// need.
//
// Internal. Read next: tensor/ops/reductions.cc.
#pragma once

#include <tapegrad/tensor/xtensor.h>

#if __has_include(<xtensor/core/xmath.hpp>)
#include <xtensor/core/xmath.hpp>
#include <xtensor/core/xnoalias.hpp>
#else
#include <xtensor/xmath.hpp>
#include <xtensor/xnoalias.hpp>
#endif
