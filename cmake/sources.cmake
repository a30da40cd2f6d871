# The sources of the library, folder by folder. Most of the compile time of a source goes into headers
# that the other sources of its folder include too. So the sources of a folder are compiled as one,
# which halves the time of a build. -D TAPEGRAD_JOIN_SOURCES=OFF compiles each source by itself, which
# is faster after a change to one file.
option(TAPEGRAD_JOIN_SOURCES "Compile the sources of each folder together" ON)
mark_as_advanced(TAPEGRAD_JOIN_SOURCES)

set(sources)

# tapegrad_rooms(LEVEL FOLDERS...) adds the sources of these folders. LEVEL is their optimization
# level if the build type optimizes for speed, or if a project that adds tapegrad sets none.
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
  # At -O2, g++ 12 vectorizes loops of unknown length only with this cost model.
  set_source_files_properties(${files} PROPERTIES COMPILE_OPTIONS
    "$<$<NOT:$<CONFIG:Debug,MinSizeRel>>:${level};$<$<CXX_COMPILER_ID:GNU>:-fvect-cost-model=dynamic>>")
  set(sources ${sources} ${files} PARENT_SCOPE)
endfunction()

# The kernels are compiled once per instruction set; no other source gets these flags. They call fused
# multiply-add explicitly, and -ffp-contract=off keeps the compiler from adding more, so the value of
# an element does not depend on its position. g++ 12 gives false warnings in its own AVX-512
# header (GCC bug 105593).
function(tapegrad_kernels level set)
  set(source ${PROJECT_SOURCE_DIR}/tensor/kernels/isa_${set}.cc)
  set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS
    "$<$<NOT:$<CONFIG:Debug,MinSizeRel>>:${level}>;-ffp-contract=off;${ARGN}")
  set(sources ${sources} ${source} PARENT_SCOPE)
endfunction()

# Code that runs in each step of a small model gets the highest level, code that runs once the lowest.
# The levels were chosen by the counts of benchmark_instructions and by compile time. The sources that
# take longest come first, so that no processor is idle at the end of a build.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  tapegrad_kernels(-O3 avx512 -mavx512f -mavx512cd -mavx512dq -mavx512bw -mavx512vl -mfma
    -mprefer-vector-width=512
    $<$<CXX_COMPILER_ID:GNU>:-Wno-uninitialized$<SEMICOLON>-Wno-maybe-uninitialized>)
  tapegrad_kernels(-O3 avx2 -mavx2 -mfma)
endif()
tapegrad_kernels(-O3 base)
tapegrad_rooms(-O1 nn nn/module nn/data nn/text nn/onnx nn/compression tensor/io)
tapegrad_rooms(-O2 tensor tensor/kernels tensor/random tensor/ops)
tapegrad_rooms(-O2 autograd/ops)
tapegrad_rooms(-O3 optim optim/lazy)
tapegrad_rooms(-O3 autograd)
