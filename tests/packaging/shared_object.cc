// A plugin: a shared object with a static tapegrad inside, and, with HOST defined, the program that
// loads it and knows nothing of tapegrad. Read next: tests/packaging/check.
#ifdef HOST
#include <dlfcn.h>

#include <cstdio>

int main() {
  void* const plugin = dlopen("./plugin.so", RTLD_NOW);
  void* const function = plugin == nullptr ? nullptr : dlsym(plugin, "gradient_of_square");
  if (function == nullptr) {
    std::fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  return reinterpret_cast<double (*)(double)>(function)(3) == 6 ? 0 : 1;
}
#else
#include <tapegrad/tapegrad.h>

extern "C" double gradient_of_square(double x) {
  const tapegrad::Variable w = tapegrad::parameter(tapegrad::tensor(x));
  square(w).backward();
  return w.grad().item<double>();
}
#endif
