// Checkpoints: everything that a program needs to continue where it stopped, in one file. Read
// next: tensor/io/npy.h.
//
//   save_checkpoint("run.ckpt", model, adam, schedule, loader, default_generator());
//
//   // in a new process, after the same objects were created:
//   load_checkpoint("run.ckpt", model, adam, schedule, loader, default_generator());
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <tapegrad/tensor/io/state_dict.h>
#include <tapegrad/tensor/random/generator.h>

namespace tapegrad {

// What can be saved: anything with state_dict() and load_state_dict(), that is modules, optimizers,
// schedules, a Generator, a DataLoader and classes of your own; and a variable that is a number,
// such as a count of steps.
template <class T>
concept CheckpointPart = std::is_arithmetic_v<T> || requires(T& part, const StateDict& state) {
  { part.state_dict() } -> std::convertible_to<StateDict>;
  part.load_state_dict(state);
};

namespace detail {

// A part with its type erased.
struct AnyPart {
  std::string name;    // given by the user; or the kind
  bool named = false;  // by the user
  std::function<StateDict()> save;
  std::function<void(const StateDict&)> load;
};

void save_parts(const std::string& path, std::vector<AnyPart> parts);
void load_parts(const std::string& path, std::vector<AnyPart> parts);

StateDict number_state(std::int64_t value);
StateDict number_state(double value);
// FormatError unless the state holds one number of this type.
void read_number(const StateDict& saved, std::int64_t& value);
void read_number(const StateDict& saved, double& value);
[[noreturn]] void refuse_number(const StateDict& saved);  // it does not fit the variable

// The name of a part that was given none. The classes are recognized by their functions, because
// this layer does not know them.
template <class T>
constexpr const char* kind_of() {
  if (std::is_arithmetic_v<T>) return "number";
  if (std::is_base_of_v<Generator, T>) return "generator";
  if (requires(T & x) { x.passes(); }) return "loader";
  if (requires(T & x) { x.last_lr(); }) return "schedule";
  if (requires(T & x) {
        x.zero_grad();
        x.set_lr(0.1);
      })
    return "optimizer";
  if (requires(T & x) {
        x.parameters();
        x.eval();
      })
    return "model";
  return "part";
}

template <class T>
AnyPart any_part(T& part) {
  using Class = std::remove_const_t<T>;
  AnyPart result;
  result.name = kind_of<Class>();
  if constexpr (std::is_arithmetic_v<Class>) {
    using Number = std::conditional_t<std::is_integral_v<Class>, std::int64_t, double>;
    result.save = [&part] { return number_state(static_cast<Number>(part)); };
    if constexpr (!std::is_const_v<T>) {
      result.load = [&part](const StateDict& saved) {
        Number number{};
        read_number(saved, number);
        const T value = static_cast<T>(number);
        if (std::is_integral_v<T> && static_cast<Number>(value) != number) refuse_number(saved);
        part = value;
      };
    }
  } else {
    result.save = [&part] { return part.state_dict(); };
    if constexpr (requires(const StateDict& saved) { part.load_state_dict(saved); }) {
      result.load = [&part](const StateDict& saved) { part.load_state_dict(saved); };
    }
  }
  return result;
}

template <class T>
constexpr bool is_name = std::is_convertible_v<T&, std::string_view>;

// Whether a part follows each name.
template <class... Args>
constexpr bool names_have_parts() {
  constexpr std::array<bool, sizeof...(Args) + 1> names{is_name<Args>..., true};
  for (std::size_t i = 0; i < sizeof...(Args); ++i) {
    if (names[i] && names[i + 1]) return false;
  }
  return true;
}

template <class... Args>
std::vector<AnyPart> any_parts(Args&... args) {
  std::vector<AnyPart> parts;
  const std::string* name = nullptr;
  std::string given;
  const auto take = [&]<class T>(T& arg) {
    if constexpr (is_name<T>) {
      given = std::string_view(arg);
      name = &given;
    } else {
      parts.push_back(any_part(arg));
      if (name != nullptr) {
        parts.back().name = *name;
        parts.back().named = true;
        name = nullptr;
      }
    }
  };
  (take(args), ...);
  return parts;
}

}  // namespace detail

// Writes the state of all parts to one safetensors file, which is replaced atomically: a program
// that stops while it saves leaves the old file. A part is called by its kind: model, optimizer,
// schedule, loader, generator, number or part; the second one of a kind is model_2, and so on. A
// text before a part is its name:
//
//   save_checkpoint("gan.ckpt", "painter", painter, "critic", critic, adam, "step", step);
//
// Tensors are named `<part>.<name in the state dict>`, so load() and other programs can read them.
// ValueError for two parts of one name, and for a name that is empty or contains a dot or a space;
// IoError if the file cannot be written.
//
// A run that is resumed ends with the same bytes as one that was not interrupted but saved at the
// same steps, provided that everything with a state is a part: also default_generator(), if dropout
// or a loader draws from it. (Saving takes the pending steps of lazy rows, which rounds differently
// from taking them later.) Options, frozen rows and the training mode are not saved; the program
// sets them again. A LoraEmbedding saves its merged table, so its factors are not resumed.
template <class... Parts>
void save_checkpoint(const std::string& path, Parts&&... parts) {
  static_assert(((detail::is_name<std::remove_reference_t<Parts>> ||
                  CheckpointPart<std::remove_cvref_t<Parts>>)&&...),
                "save_checkpoint: a part needs state_dict() and load_state_dict(), or is a number");
  static_assert(detail::names_have_parts<std::remove_reference_t<Parts>...>(),
                "save_checkpoint: write each name before its part");
  detail::save_parts(path, detail::any_parts(parts...));
}

// Reads a file of save_checkpoint() into the same parts: same names, or same kinds in the same
// order. All or nothing: unless the file is whole, holds exactly these parts, and each part accepts
// its state, a FormatError names what does not fit, and all parts are as they were. (A failing part
// is found when it loads; those before it then get their earlier state back.) IoError if the file
// cannot be read.
//
// Create a schedule before the optimizer is loaded, because its constructor sets the first rate.
template <class... Parts>
void load_checkpoint(const std::string& path, Parts&&... parts) {
  static_assert(((detail::is_name<std::remove_reference_t<Parts>> ||
                  CheckpointPart<std::remove_cvref_t<Parts>>)&&...),
                "load_checkpoint: a part needs state_dict() and load_state_dict(), or is a number");
  static_assert(detail::names_have_parts<std::remove_reference_t<Parts>...>(),
                "load_checkpoint: write each name before its part");
  static_assert(((detail::is_name<std::remove_reference_t<Parts>> ||
                  !std::is_const_v<std::remove_reference_t<Parts>>)&&...),
                "load_checkpoint: a part is const, so nothing can be loaded into it");
  detail::load_parts(path, detail::any_parts(parts...));
}

}  // namespace tapegrad
