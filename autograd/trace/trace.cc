// Read next: autograd/trace/recording.h.
#include <tapegrad/autograd/trace/trace.h>

#include <exception>
#include <utility>

#include <tapegrad/autograd/trace/recording.h>
#include <tapegrad/tensor/io/file_io.h>

namespace tapegrad {

using StepKind = trace::TracedStep::Kind;

Trace::Trace(TraceOptions options)
    : on_failure_(options.on_failure), exceptions_(std::uncaught_exceptions()) {
  if (options.most_elements < 0) {
    throw ValueError("Trace: most_elements is " + std::to_string(options.most_elements) +
                     ", needed 0 or more");
  }
  recording_ = std::make_unique<Recording>(std::move(options));
  Error::watch([](const Error& error) {
    // Another thread may have destroyed the Trace.
    auto* const recording = dynamic_cast<Recording*>(Observer::current());
    if (recording != nullptr) recording->last_error = error.what();
  });
}

Trace::~Trace() {
  if (!recording_->is_of_this_thread()) return;
  Error::watch(nullptr);
  if (on_failure_.empty() || std::uncaught_exceptions() == exceptions_) return;
  try {
    if (!recording_->last_error.empty()) {
      recording_->add({.kind = StepKind::error, .text = recording_->last_error});
    }
    write_html(on_failure_);
  } catch (...) {  // another exception is on its way already
  }
}

void Trace::name(const Variable& variable, const std::string& name) {
  recording_->name(variable, name);
}

void Trace::snapshot(const std::string& title) {
  recording_->add({.kind = StepKind::snapshot, .text = title});
}

void Trace::failed(const Error& error) {
  recording_->add({.kind = StepKind::error, .text = error.what()});
}

std::string Trace::json() const { return trace::to_json(recording_->contents, {}); }

void Trace::write_json(const std::string& path) const {
  write_file_atomically(path, json(), "Trace::write_json");
}

void Trace::write_dot(const std::string& path) const {
  write_file_atomically(path, trace::to_dot(recording_->contents), "Trace::write_dot");
}

void Trace::write_html(const std::string& path, const PageOptions& options) const {
  write_file_atomically(path, trace::to_html(trace::to_json(recording_->contents, options)),
                        "Trace::write_html");
}

}  // namespace tapegrad
