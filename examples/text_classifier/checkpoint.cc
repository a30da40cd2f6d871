// Writes and reads the file of a checkpoint. Read next: commands.h.
#include "text_classifier/checkpoint.h"

#include <map>
#include <string_view>

#include "common/fingerprint.h"

namespace text_classifier {
namespace {

constexpr const char* kChecksum = "checksum";

void add_elements(examples::Fingerprint& sum, const tg::Tensor& tensor) {
  const tg::Tensor whole = tensor.contiguous();
  tg::visit(tensor.dtype(), [&](auto zero) {
    const auto elements = whole.span<decltype(zero)>();
    sum.add({reinterpret_cast<const char*>(elements.data()), elements.size_bytes()});
  });
}

// Of all names, shapes, elements and texts. The order of the state does not count, because the file
// has another one.
std::string checksum_of(const RunCheckpoint& checkpoint) {
  std::map<std::string_view, const tg::Tensor*> tensors;
  for (const auto& [name, tensor] : checkpoint.state) tensors.emplace(name, &tensor);
  examples::Fingerprint sum;
  for (const auto& [name, tensor] : tensors) {
    sum.add(name);
    sum.add(std::string_view(tg::name(tensor->dtype())));
    for (const std::int64_t size : tensor->sizes()) sum.add(static_cast<std::uint64_t>(size));
    add_elements(sum, *tensor);
  }
  for (const auto& [key, text] : checkpoint.texts) {
    sum.add(key);
    sum.add(text);
  }
  return sum.hex();
}

}  // namespace

void write_checkpoint(const std::string& path, const RunCheckpoint& checkpoint) {
  tg::Metadata texts = checkpoint.texts;
  texts[kChecksum] = checksum_of(checkpoint);
  tg::save(path, checkpoint.state, texts);
}

RunCheckpoint read_checkpoint(const std::string& path) {
  auto [state, texts] = tg::load_with_metadata(path);
  const auto node = texts.extract(kChecksum);
  RunCheckpoint checkpoint{std::move(state), std::move(texts)};
  if (node.empty() || node.mapped() != checksum_of(checkpoint)) {
    throw tg::FormatError(path + ": the file is damaged: its checksum differs");
  }
  return checkpoint;
}

}  // namespace text_classifier
