# The sources of the library, room by room. Most of the time that a source takes to compile goes into
# the headers that it shares with its neighbors, so the sources of a room are compiled as one, which
# halves the build. -D TAPEGRAD_JOIN_SOURCES=OFF compiles each by itself: after a change to one file,
# that is faster.
option(TAPEGRAD_JOIN_SOURCES "Compile the sources of each folder together" ON)
mark_as_advanced(TAPEGRAD_JOIN_SOURCES)

set(sources)

# tapegrad_rooms(LEVEL FOLDERS...): the sources of these folders, at an optimization level where the
# build type optimizes for speed, and where a program that adds us names no build type.
function(tapegrad_rooms level)
  set(files)
  foreach(folder IN LISTS ARGN)
    file(GLOB found CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.cc)
    list(APPEND files ${found})
  endforeach()
  list(FILTER files EXCLUDE REGEX "/isa_[^/]*$")
  if(TAPEGRAD_JOIN_SOURCES)
    list(TRANSFORM files REPLACE "(.+)" "#include \"\\1\"" OUTPUT_VARIABLE lines)
    list(JOIN lines "\n" text)
    list(JOIN ARGN "_and_" name)
    string(REPLACE "/" "_" name ${name})
    set(joined ${PROJECT_BINARY_DIR}/joined/${name}.cc)
    file(CONFIGURE OUTPUT ${joined} CONTENT "${text}\n" @ONLY)
    set(files ${joined})
  endif()
  # g++ 12 vectorizes loops of unknown length at -O2 only if it is told to weigh their cost.
  set_source_files_properties(${files} PROPERTIES COMPILE_OPTIONS
    "$<$<NOT:$<CONFIG:Debug,MinSizeRel>>:${level};$<$<CXX_COMPILER_ID:GNU>:-fvect-cost-model=dynamic>>")
  set(sources ${sources} ${files} PARENT_SCOPE)
endfunction()

# The kernels are compiled once per instruction set; nothing else sees these flags. Fused
# multiply-adds are written by name: the compiler adds none of its own, so the bits of an element do
# not depend on its position. g++ 12 warns wrongly inside its own AVX-512 header (its bug 105593).
function(tapegrad_kernels level set)
  set(source ${PROJECT_SOURCE_DIR}/tensor/kernels/isa_${set}.cc)
  set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS
    "$<$<NOT:$<CONFIG:Debug,MinSizeRel>>:${level}>;-ffp-contract=off;${ARGN}")
  set(sources ${sources} ${source} PARENT_SCOPE)
endfunction()

# What runs in each step of a small model is optimized most, what runs once least: the levels were
# chosen by benchmark_instructions and by the seconds that they cost. Long ones come first, so that
# they do not end alone.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  tapegrad_kernels(-O3 avx512 -mavx512f -mavx512cd -mavx512dq -mavx512bw -mavx512vl -mfma
    -mprefer-vector-width=512
    $<$<CXX_COMPILER_ID:GNU>:-Wno-uninitialized$<SEMICOLON>-Wno-maybe-uninitialized>)
  tapegrad_kernels(-O3 avx2 -mavx2 -mfma)
endif()
tapegrad_kernels(-O3 base)
tapegrad_rooms(-O1 nn nn/data nn/text nn/onnx tensor/io)
tapegrad_rooms(-O2 tensor tensor/kernels tensor/random tensor/ops)
tapegrad_rooms(-O1 autograd/ops)
tapegrad_rooms(-O1 optim optim/lazy)
tapegrad_rooms(-O3 autograd)
