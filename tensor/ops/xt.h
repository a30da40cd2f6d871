// xtensor for our own sources: the one header through which they see it. What an operation's long
// tail needs of its algorithms is included here, behind the bridge and its repair.
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
