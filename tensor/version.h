// The version of tapegrad. This is the only place where it is written: CMake and pkg-config read it
// from these three lines. Read next: tensor/xtensor.h.
#pragma once

#define TAPEGRAD_VERSION_MAJOR 0
#define TAPEGRAD_VERSION_MINOR 2
#define TAPEGRAD_VERSION_PATCH 0
