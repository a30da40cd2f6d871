// The communicator over MPI. It needs only messages between two ranks, which MPI 1 has.
// Read next: distributed/optimizer.h.
#include <tapegrad/distributed/mpi.h>

#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <sstream>
#include <thread>

namespace tapegrad::distributed {
namespace {

constexpr int kTag = 0;

// CommunicationError with MPI's text, unless the call succeeded.
void check_mpi(const char* function, int result) {
  if (result == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(result, text, &length);
  throw CommunicationError(std::string(function) + ": " +
                           std::string(text, static_cast<std::size_t>(length)));
}

// A communicator of our own, so that no message of the program's is taken for one of ours.
class OwnComm {
 public:
  OwnComm() {
    check_mpi("MPI_Comm_dup", MPI_Comm_dup(MPI_COMM_WORLD, &comm_));
    check_mpi("MPI_Comm_set_errhandler", MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN));
  }
  ~OwnComm() {
    int finalized = 0;
    MPI_Finalized(&finalized);
    // Freeing is collective: after an exception, the other ranks would not come.
    if (finalized == 0 && std::uncaught_exceptions() == 0) MPI_Comm_free(&comm_);
  }
  OwnComm(const OwnComm&) = delete;
  OwnComm& operator=(const OwnComm&) = delete;

  MPI_Comm get() const { return comm_; }
  int rank() const {
    int rank = 0;
    MPI_Comm_rank(comm_, &rank);
    return rank;
  }
  int size() const {
    int size = 0;
    MPI_Comm_size(comm_, &size);
    return size;
  }

 private:
  MPI_Comm comm_ = MPI_COMM_NULL;
};

// One write, so that lines of several ranks do not mix.
void print_failure(int rank, const std::string& text) {
  std::ostringstream line;
  line << "rank " << rank << ": " << text << '\n';
  std::cerr << line.str() << std::flush;
}

// Ends all ranks. It waits first, because mpirun ends without the output that has not reached it.
[[noreturn]] void end_all(MPI_Comm comm) {
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  MPI_Abort(comm, 1);
  std::abort();
}

class MpiCommunicator final : private OwnComm, public Communicator {
 public:
  explicit MpiCommunicator(CommunicatorOptions its_options)
      : Communicator(OwnComm::rank(), OwnComm::size(), its_options) {}

  void abort(const std::string& message) override {
    print_failure(Communicator::rank(), message);
    end_all(get());
  }

 private:
  // Round k of all ranks belongs together, so it does not matter which of the two messages is
  // longer.
  void transfer(std::span<const std::byte> out, int to, std::span<std::byte> in,
                int from) override {
    const auto most = static_cast<std::size_t>(options().piece_bytes);
    std::size_t sent = 0, received = 0;
    bool first = true;
    for (; first || sent < out.size() || received < in.size(); first = false) {
      const std::size_t leaving = std::min(most, out.size() - sent);
      const std::size_t coming = std::min(most, in.size() - received);
      const bool sends = to != kNobody && (first || leaving > 0);
      const bool receives = from != kNobody && (first || coming > 0);
      send_and_receive(out.subspan(sent, leaving), sends ? to : MPI_PROC_NULL,
                       in.subspan(received, coming), receives ? from : MPI_PROC_NULL);
      sent += leaving;
      received += coming;
    }
  }

  // MPI_Sendrecv() would do, but it waits in a loop that keeps the processor: with more ranks than
  // processors, each message then takes a time slice of the system.
  void send_and_receive(std::span<const std::byte> out, int to, std::span<std::byte> in, int from) {
    MPI_Request request = MPI_REQUEST_NULL;
    check_mpi("MPI_Isend", MPI_Isend(out.data(), static_cast<int>(out.size()), MPI_BYTE, to, kTag,
                                     get(), &request));
    if (from != MPI_PROC_NULL) receive_from(from, in);
    wait_until([&] {
      int sent = 0;
      check_mpi("MPI_Test", MPI_Test(&request, &sent, MPI_STATUS_IGNORE));
      return sent != 0;
    });
  }

  void receive_from(int from, std::span<std::byte> in) {
    MPI_Status status;
    wait_until([&] { return has_arrived(from, &status); });
    int count = 0;
    MPI_Get_count(&status, MPI_BYTE, &count);
    if (count != static_cast<int>(in.size())) {
      throw CommunicationError("got " + std::to_string(count) + " bytes from rank " +
                               std::to_string(from) + ", needed " + std::to_string(in.size()) +
                               "; the two do not call the same functions with the same sizes: "
                               "CommunicatorOptions::debug finds where");
    }
    check_mpi("MPI_Recv", MPI_Recv(in.data(), count, MPI_BYTE, from, kTag, get(), &status));
  }

  bool has_arrived(int from, MPI_Status* status) {
    int arrived = 0;
    check_mpi("MPI_Iprobe", MPI_Iprobe(from, kTag, get(), &arrived, status));
    return arrived != 0;
  }

  // Asks again and again. After the first attempts, other processes run in between.
  template <class Condition>
  static void wait_until(const Condition& holds) {
    constexpr int kAttempts = 1000;
    for (int i = 0; !holds();) {
      if (i < kAttempts) {
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
  }

  bool wait_for(int from, double seconds) override {
    using Clock = std::chrono::steady_clock;
    const auto end = Clock::now() + std::chrono::duration<double>(seconds);
    bool arrived = false;
    wait_until([&] {
      arrived = has_arrived(from, MPI_STATUS_IGNORE);
      return arrived || Clock::now() > end;
    });
    return arrived;
  }
};

// Ends all ranks if there is more than one.
int fail(const std::string& text) {
  int rank = 0, size = 1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  print_failure(rank, text);
  if (size > 1) end_all(MPI_COMM_WORLD);
  MPI_Finalize();
  return 1;
}

// Whether run_distributed() is calling the program's function. If that calls exit(), some MPIs let
// the other ranks wait, or end them without an error.
bool running = false;
void end_others_at_exit() {
  if (!running) return;
  running = false;  // MPI_Abort() may call exit(), too
  int size = 1;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  if (size > 1) fail("exit() was called before run_distributed() returned");
}

}  // namespace

std::unique_ptr<Communicator> mpi_communicator(CommunicatorOptions options) {
  int started = 0, ended = 0;
  MPI_Initialized(&started);
  MPI_Finalized(&ended);
  if (started == 0 || ended != 0) {
    throw ValueError(
        "mpi_communicator: MPI is not running, needed a call of MPI_Init() earlier; "
        "run_distributed() makes it");
  }
  return std::make_unique<MpiCommunicator>(options);
}

int run_distributed(int& argc, char**& argv, const std::function<void(Communicator&)>& function,
                    CommunicatorOptions options) {
  int threads = 0;  // only this thread calls MPI
  MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &threads);
  std::atexit(end_others_at_exit);
  running = true;
  try {
    const std::unique_ptr<Communicator> comm = mpi_communicator(options);
    function(*comm);
    comm->finish();
  } catch (const std::exception& error) {
    running = false;
    return fail(error.what());
  } catch (...) {
    running = false;
    return fail("an exception of an unknown type");
  }
  running = false;
  MPI_Finalize();
  return 0;
}

}  // namespace tapegrad::distributed
