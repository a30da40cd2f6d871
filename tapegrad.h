// All of tapegrad: numbers, history, layers, optimisers. It brings in no third-party header.
// Read next: tensor/tensor.h, then autograd/tape.h, which holds the idea.
#pragma once

#include <tapegrad/autograd/gradcheck.h>
#include <tapegrad/autograd/leaf.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/record.h>
#include <tapegrad/autograd/tape.h>
#include <tapegrad/autograd/variable.h>
#include <tapegrad/nn/activations.h>
#include <tapegrad/nn/dropout.h>
#include <tapegrad/nn/embedding.h>
#include <tapegrad/nn/linear.h>
#include <tapegrad/nn/module.h>
#include <tapegrad/nn/parameter.h>
#include <tapegrad/nn/rnn_cell.h>
#include <tapegrad/nn/sequential.h>
#include <tapegrad/tensor/draw.h>
#include <tapegrad/tensor/dtype.h>
#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/file_io.h>
#include <tapegrad/tensor/generator.h>
#include <tapegrad/tensor/memory.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random.h>
#include <tapegrad/tensor/safetensors.h>
#include <tapegrad/tensor/scalar.h>
#include <tapegrad/tensor/shape.h>
#include <tapegrad/tensor/state_dict.h>
#include <tapegrad/tensor/tensor.h>
#include <tapegrad/tensor/version.h>
