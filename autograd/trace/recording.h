// Recording: what a Trace has written down, as data, and the Observer that fills it. Internal. Read
// next: autograd/trace/recording.cc.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <tapegrad/autograd/attributes.h>
#include <tapegrad/autograd/trace/snapshot.h>
#include <tapegrad/autograd/trace/trace.h>

namespace tapegrad {

namespace trace {

enum class Kind { parameter, data, operation };

struct TracedAttribute {
  Attribute attribute;
  int snapshot = -1;  // of a Tensor, which the attribute itself no longer holds
};

// A Variable. Its position in Contents::nodes is its id.
struct TracedNode {
  Kind kind = Kind::data;
  std::string name{};
  std::string operation{};    // "matmul"; empty unless kind is operation
  std::vector<int> inputs{};  // ids, in the order of the arguments; -1 for one that was not given
  bool requires_grad = false;
  int value = -1;  // position in Contents::snapshots
  DType dtype = DType::float32;
  Shape shape{};
  int module = -1;                          // position in Contents::calls
  std::optional<std::vector<int>> keeps{};  // ids; none unless a pass has released the entry
  std::vector<TracedAttribute> attributes{};
};

// A call of a module.
struct TracedCall {
  int parent = -1;
  std::string path;         // "head.linear"
  std::string description;  // "Linear(2, 4)"
  int call = 1;             // counts the calls of this path
};

// What an optimizer did with one parameter. Numbers of named tensors are snapshots.
struct TracedUpdate {
  using Numbers = std::vector<std::pair<std::string, int>>;
  std::string optimizer;
  double lr = 0;
  int gradient = -1;  // that the optimizer used; -1 if it is too large for the page, as is the rest
  std::int64_t number = 0;
  std::vector<TracedAttribute> options{};
  Numbers state_before{};
  Numbers state_after{};
  Numbers parts{};
};

// What happened. The members that a kind of step does not have keep these values.
struct TracedStep {
  enum class Kind { forward, seed, fire, contribution, release, leaf, update, error, snapshot };
  Kind kind;
  int pass = -1;
  int node = -1;      // the entry, the parameter, or the input that receives a contribution
  int from = -1;      // the entry whose rule made the contribution,
  int position = -1;  // and the position of the input among the arguments of that entry
  int raw = -1;       // snapshots
  int gradient = -1;
  int before = -1;
  int after = -1;
  std::int64_t bytes = 0;
  int update = -1;     // position in Contents::updates; -1 if the program set a value itself
  std::string text{};  // the title, or the text of the error
};

struct Contents {
  std::string title;
  std::vector<Snapshot> snapshots;
  std::vector<TracedNode> nodes;
  std::vector<TracedCall> calls;
  std::vector<TracedStep> steps;
  std::vector<TracedUpdate> updates;
};

std::string to_json(const Contents& contents, const PageOptions& options);  // json.cc
std::string to_dot(const Contents& contents);                               // dot.cc
std::string to_html(const std::string& json);                               // html.cc

}  // namespace trace

// Entries are known by their address. That is enough: an entry that lives was recorded last of all
// at its address. Leaves and constants are kept alive, so that their addresses stay theirs.
class Trace::Recording final : public Observer {
 public:
  explicit Recording(TraceOptions options);

  trace::Contents contents;
  // The text of the last Error since the last operation: when an exception ends the Trace, it can
  // no longer be asked. An Error that the program caught before it went on does not count.
  std::string last_error;

  void name(const Variable& variable, const std::string& name);
  void add(trace::TracedStep step) { contents.steps.push_back(std::move(step)); }

  void recorded(const Entry& entry, Variable& result,
                std::span<const Variable* const> inputs) override;
  void describes(const char* operation, Attributes attributes) override;
  void adds(std::uint64_t pass, const Entry* from, Node& to, const Variable& gradient) override;
  void adds(std::uint64_t pass, const Entry* from, Node& to, const RowSparse& gradient) override;
  void fires(std::uint64_t pass, const Entry& entry, const Variable& gradient) override;
  void releases(const Entry& entry) override;
  void released(const Entry& entry) override;
  void commits(std::uint64_t pass, Leaf& leaf, const Variable& sum,
               std::span<const RowSparse> rows) override;
  void enters(const std::string& path, const std::string& description) override;
  void leaves() override;
  void names(const Variable& parameter, const std::string& name) override;
  void will_update(const ParameterStep& step) override;
  void updated(const ParameterStep& step) override;
  using Observer::is_of_this_thread;

 private:
  // A gradient so far: dense, row-sparse, or both.
  struct Sum {
    Tensor dense{};
    std::vector<RowSparse> rows{};
    int id = -1;  // its snapshot; -1 if there is no gradient yet
  };
  struct KnownLeaf {
    Variable leaf;  // keeps it alive
    int id;
    std::uint32_t version;  // of its value when it was last seen
    int value;              // a snapshot
  };

  // A value that the rules of an entry may keep: an argument or the result. It is held until the
  // entry is released, or another entry is recorded at its address. It has no history.
  struct Keepable {
    int id;
    Tensor value;         // undefined for a leaf
    Leaf* leaf{};         // that leaves_ keeps alive
    std::int64_t uses{};  // before the release: the result of uses_of()
  };

  struct KnownConstant {
    Tensor tensor;  // keeps its memory alive
    int id;
    std::uint32_t version;
  };

  int id_of(const Variable& variable);
  int id_of(const Node& node);
  int id_of_leaf(const Variable& variable);
  int id_of_constant(const Tensor& value);
  trace::TracedAttribute traced(const Attribute& attribute);
  int add_node(trace::TracedNode node, const Tensor& value);
  int keep(const Tensor& tensor);  // a snapshot; the same id for the same elements
  int keep(const Sum& sum, std::span<const std::int64_t> table);
  int keep(trace::Snapshot snapshot);
  static Sum sum_of(Leaf& leaf);
  trace::TracedUpdate::Numbers keep_all(const NamedTensors& tensors);
  void note_keepable(const Entry& entry, int id, const Variable& result,
                     std::span<const Variable* const> inputs);
  static std::int64_t uses_of(const Keepable& value, const Entry& entry);
  void begin_pass(std::uint64_t pass);
  int position_of(const Entry& from, const Node& to);
  int keep_sum_of(const Node& node, const Tensor& gradient);
  template <class Gradient>
  void add_contribution(std::uint64_t pass, const Entry* from, Node& to, int raw, int fitted,
                        const Gradient& add_to_sum);

  TraceOptions options_;
  std::unordered_map<const Node*, int> entries_;
  std::unordered_map<const Node*, KnownLeaf> leaves_;
  std::unordered_map<const void*, std::vector<KnownConstant>> constants_;  // by address
  std::unordered_map<const Node*, std::vector<Keepable>> keepable_;        // of each entry
  std::vector<NodePtr> releasing_;  // the inputs of the entry that is being released
  std::unordered_map<const Node*, std::string> names_;  // that modules and optimizers gave
  std::unordered_set<const Node*> named_;               // by the program, whose names count first
  std::unordered_map<std::size_t, std::vector<int>> snapshots_by_hash_;
  std::vector<int> open_calls_;
  std::map<std::string, int> calls_of_path_;
  std::pair<std::string, Attributes> described_;
  std::unordered_map<const Node*, int> begun_updates_;  // the latest of each leaf

  std::uint64_t pass_ = 0;  // the number of the running pass, and its position among those traced
  int pass_position_ = -1;
  std::unordered_map<const Node*, Sum> sums_;
  const Entry* firing_ = nullptr;
  std::vector<bool> filled_;  // inputs of the firing entry that have received their contribution
  std::int64_t held_ = 0;     // bytes of the results of entries that have not been released
};

}  // namespace tapegrad
