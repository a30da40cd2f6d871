// The number of threads that an operation may use. Read next: tensor/parallel.h.
#pragma once

namespace tapegrad {

// The number of threads is 1 unless set here or with the environment variable TAPEGRAD_NUM_THREADS.
// With more threads, large matrix products, whole-sequence layers, and elementwise operations and
// optimizer steps over many elements are split among them; small operations never are. The results
// are the same to the bit for every number of threads. After the first split, reference counts
// become atomic and cost more in the whole process, so programs that only do small operations are
// fastest with 1. If the system cannot start a thread, fewer do the work. ValueError unless
// 1 <= count <= 256.
void set_num_threads(int count);
int num_threads();

}  // namespace tapegrad
