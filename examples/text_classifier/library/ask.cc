// Asks a trained model, in ten lines: ask FOLDER < texts
#include <text_classifier/text_classifier.h>

#include <iostream>

int main(int count, char** arguments) try {
  const text_classifier::TextClassifier classifier(count > 1 ? arguments[1] : "model");
  for (std::string text; std::getline(std::cin, text);) {
    const auto [label, probability, all] = classifier.predict(text);
    std::cout << label << "  " << probability << "  " << text << '\n';
  }
} catch (const tapegrad::Error& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
