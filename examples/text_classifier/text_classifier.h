// The classifier as a library: a program loads a folder that `text_classifier train` wrote, and
// asks it. This is the only header of the library tapegrad::text_classifier. Read next:
// text_classifier.cc.
//
//   const text_classifier::TextClassifier classifier("runs/text_classifier");
//   const text_classifier::Prediction answer = classifier.predict("Who wrote Faust?");
//   std::cout << answer.label << ' ' << answer.probability << '\n';
#pragma once

#include <tapegrad/tensor/error.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace text_classifier {

struct Trained;

struct Prediction {
  std::string label;                  // the most probable one
  double probability = 0;             // of this label
  std::vector<double> probabilities;  // of all labels, in the order of labels()
};

// Copies share the model. Several threads may ask one classifier at the same time.
class TextClassifier {
 public:
  // Throws tapegrad::IoError if the model cannot be read, tapegrad::FormatError if it is damaged.
  explicit TextClassifier(const std::string& folder);

  const std::vector<std::string>& labels() const;

  // Whether a text may have several labels, or none. The probabilities of such a model do not add
  // up to 1.
  bool is_multi_label() const;
  // The labels whose probability is at least the threshold of the label; for a model whose texts
  // have one label, this label.
  std::vector<std::string> answers(const Prediction& prediction) const;

  // The same answers as `text_classifier predict`. Many texts at once take less time for each. A
  // text is UTF-8 or Windows-1252; tapegrad::FormatError says which text is neither, holds a NUL,
  // or is longer than 1,000,000 bytes.
  Prediction predict(std::string_view text) const;
  std::vector<Prediction> predict(std::span<const std::string> texts) const;

 private:
  std::shared_ptr<Trained> trained_;
};

}  // namespace text_classifier
