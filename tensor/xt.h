// xtensor for our own sources: the one header through which they see it. What an operation's long
// tail needs of its algorithms is included here, behind the bridge and its repair.
//
// Internal. Read next: tensor/rearranging.cc.
#pragma once

#include <tapegrad/tensor/xtensor.h>

#if __has_include(<xtensor/misc/xmanipulation.hpp>)
#include <xtensor/core/xnoalias.hpp>
#include <xtensor/misc/xmanipulation.hpp>
#else
#include <xtensor/xmanipulation.hpp>
#include <xtensor/xnoalias.hpp>
#endif
