// Threads that exchange messages through queues, one for each pair of ranks. Read next:
// distributed/mpi.h.
#include <tapegrad/distributed/threads.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace tapegrad::distributed {
namespace {

using Message = std::vector<std::byte>;

// What the threads share.
class Mail {
 public:
  explicit Mail(int size) : size_(size), queues_(static_cast<std::size_t>(size * size)) {}

  void put(int from, int to, std::span<const std::byte> bytes) {
    const std::lock_guard lock(mutex_);
    queue(from, to).emplace_back(bytes.begin(), bytes.end());
    changed_.notify_all();
  }
  // Waits for a message. CommunicationError if a rank has failed.
  Message take(int from, int to) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return failed_ || !queue(from, to).empty(); });
    throw_if_failed();
    Message message = std::move(queue(from, to).front());
    queue(from, to).pop_front();
    return message;
  }
  bool wait_for(int from, int to, double seconds) {
    std::unique_lock lock(mutex_);
    const bool came = changed_.wait_for(lock, std::chrono::duration<double>(seconds),
                                        [&] { return failed_ || !queue(from, to).empty(); });
    throw_if_failed();
    return came;
  }

  // The first failure ends all ranks.
  void fail(int rank, const std::string& text, std::exception_ptr error) {
    const std::lock_guard lock(mutex_);
    if (failed_) return;
    failed_ = true;
    text_ = "rank " + std::to_string(rank) + " has ended: " + text;
    error_ = std::move(error);
    changed_.notify_all();
  }
  std::exception_ptr error() const { return error_; }  // when all threads have ended

 private:
  std::deque<Message>& queue(int from, int to) {
    return queues_[static_cast<std::size_t>(from * size_ + to)];
  }
  void throw_if_failed() const {
    if (failed_) throw CommunicationError(text_);
  }

  int size_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::deque<Message>> queues_;
  bool failed_ = false;
  std::string text_;
  std::exception_ptr error_;
};

class ThreadCommunicator final : public Communicator {
 public:
  ThreadCommunicator(Mail& mail, int rank, int size, CommunicatorOptions options)
      : Communicator(rank, size, options), mail_(mail) {}

  void abort(const std::string& message) override { throw CommunicationError(message); }

 private:
  void transfer(std::span<const std::byte> out, int to, std::span<std::byte> in,
                int from) override {
    if (to != kNobody) mail_.put(rank(), to, out);
    if (from == kNobody) return;
    const Message message = mail_.take(from, rank());
    if (message.size() != in.size()) {
      throw CommunicationError("got " + std::to_string(message.size()) + " bytes from rank " +
                               std::to_string(from) + ", needed " + std::to_string(in.size()) +
                               "; the two do not call the same functions with the same sizes: "
                               "CommunicatorOptions::debug finds where");
    }
    std::ranges::copy(message, in.begin());
  }
  bool wait_for(int from, double seconds) override { return mail_.wait_for(from, rank(), seconds); }

  Mail& mail_;
};

void run_rank(Mail& mail, int rank, int size, const std::function<void(Communicator&)>& function,
              const CommunicatorOptions& options) {
  try {
    ThreadCommunicator comm(mail, rank, size, options);
    function(comm);
    comm.finish();
  } catch (Error& error) {
    error.add_context("rank " + std::to_string(rank));
    mail.fail(rank, error.what(), std::current_exception());
  } catch (const std::exception& error) {
    mail.fail(rank, error.what(), std::current_exception());
  } catch (...) {
    mail.fail(rank, "an exception of an unknown type", std::current_exception());
  }
}

}  // namespace

void run_on_threads(int count, const std::function<void(Communicator&)>& function,
                    CommunicatorOptions options) {
  constexpr int kMost = 1024;
  if (count < 1 || count > kMost) {
    throw ValueError("run_on_threads: got " + std::to_string(count) + " threads, needed 1 to " +
                     std::to_string(kMost));
  }
  Mail mail(count);
  {
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < count; ++rank) {
      try {
        threads.emplace_back([&mail, rank, count, &function, &options] {
          run_rank(mail, rank, count, function, options);
        });
      } catch (const std::exception& error) {  // no thread is left
        mail.fail(rank, error.what(), std::current_exception());
        break;
      }
    }
  }
  if (mail.error()) std::rethrow_exception(mail.error());
}

}  // namespace tapegrad::distributed
