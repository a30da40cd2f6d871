// The options of train, most of which suspects has too. Read next: train_options.cc.
#pragma once

#include <CLI/CLI.hpp>
#include <set>
#include <string>

#include "text_classifier/settings.h"

namespace text_classifier {

// What --help says about the files of texts.
extern const char* const kFormats;

// An option for texts: a file, or LABEL=FILE several times.
CLI::Option* add_texts(CLI::App* command, const char* name, Files& files, const char* description);

// The option for what stands between the labels of a text.
void add_label_separator(CLI::App* command, ReadingOptions& options);

// The options that say how a file is read.
void add_columns(CLI::App* command, ReadingOptions& options);

// The options that say which model is trained on which texts.
void add_training(CLI::App* command, TrainSettings& settings);

// The names of the options on the command line.
std::set<std::string> given_options(const CLI::App& command);

}  // namespace text_classifier
