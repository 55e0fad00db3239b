#include "tools/serve.h"

#include <CLI/CLI.hpp>
#include <boost/asio/signal_set.hpp>
#include <memory>
#include <optional>

#include "hypervisor-model/server.h"
#include "tools/connection.h"
#include "tools/recorder/recorder.h"

namespace pvmmu::tools {

namespace {

void listen_and_serve(const serve_options& options, xen::server_listener_factory listens, const context& ctx) {
  xen::server server({.listens = std::move(listens)});
  if (!options.unix_path.empty()) {
    server.listen_unix(options.unix_path);
    ctx.say("listening on unix:{}", options.unix_path);
  }
  if (!options.tcp.empty()) {
    const tcp_address address = parse_tcp_address(options.tcp);
    const u16 port = server.listen_tcp(address.host, address.port);
    ctx.say("listening on {}:{}", address.host, port);
  }
  boost::asio::signal_set signals(server.context(), SIGINT, SIGTERM);
  signals.async_wait([&server](boost::system::error_code, int) { server.stop(); });
  server.run();
}

}  // namespace

void serve(const serve_options& options, const context& ctx) {
  if (options.unix_path.empty() && options.tcp.empty())
    throw input_error("serve: expected --unix PATH, --tcp [HOST:]PORT or both");
  std::optional<recorder> recorded;
  if (!options.record.empty())
    recorded.emplace(options.record, [&ctx](const std::string& text) { ctx.say("{}", text); });
  listen_and_serve(options, recorded ? recorded->listens() : xen::server_listener_factory(), ctx);
  if (recorded) recorded->check();
}

void add_serve_command(CLI::App& app, context& ctx) {
  CLI::App& command = *app.add_subcommand("serve", "Serve the hypervisor to guests in other processes");
  const auto options = std::make_shared<serve_options>();
  command.add_option("--unix", options->unix_path, "Listen on a Unix socket, for its owner only")->type_name("PATH");
  command.add_option("--tcp", options->tcp, "Listen on TCP; HOST is 127.0.0.1 unless given")->type_name("[HOST:]PORT");
  command.add_option("--record", options->record, "Record what is done on the first machine; on others in NAME-2, …")
      ->type_name("FILE");
  command.footer("Example: pvmmu serve --unix pvmmu.sock\n  and then: pvmmu run --connect unix:pvmmu.sock SCENARIO");
  command.callback([options, &ctx] { serve(*options, ctx); });
}

}  // namespace pvmmu::tools
