// How many threads an operation may use. Read next: tensor/parallel.h.
#pragma once

namespace tapegrad {

// 1 unless asked otherwise, here or with the environment variable TAPEGRAD_NUM_THREADS: large
// products, whole-sequence layers, elementwise operations and optimiser steps over many numbers are
// then split among threads, small ones never. Results are the same to the bit with any number. From
// the first split on, counting references costs more in the whole process, so that programs that
// only do small work are fastest with 1. ValueError unless 1 <= count <= 256.
void set_num_threads(int count);
int num_threads();

}  // namespace tapegrad
