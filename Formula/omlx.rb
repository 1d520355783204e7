class Omlx < Formula
  include Language::Python::Virtualenv

  desc "Local LLM daemon for agent work that computes a context once"
  homepage "https://omlx.example"
  url "https://omlx.example/releases/omlx-0.1.0.tar.gz"
  sha256 "0000000000000000000000000000000000000000000000000000000000000000"
  license "Apache-2.0"

  livecheck do
    url :homepage
    regex(/href=.*?omlx[._-]v?(\d+(?:\.\d+)+)\.t/i)
  end

  depends_on "python@3.14"

  on_macos do
    depends_on arch: :arm64
    depends_on macos: :sonoma
  end

  # The wheels' libraries find each other by @rpath, and some have no room for a longer name.
  preserve_rpath

  def python3
    "python3.14"
  end

  # Where brew has a phase with network before the build, the wheels are fetched in it, each checked by its hash.
  def fetch
    system python3, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--require-hashes",
           "--dest", "wheelhouse", "--requirement", "requirements.lock"
  end

  def install
    fetch unless (buildpath/"wheelhouse").directory?

    virtualenv_create(libexec, python3, system_site_packages: false)
    pip = [python3, "-m", "pip", "--python=#{libexec}/bin/python", "install", "--no-index", "--no-deps"]
    system(*pip, "--find-links=wheelhouse", "--require-hashes", "--requirement", "requirements.lock")
    system(*pip, "--no-build-isolation", ".")

    bin.install_symlink libexec/"bin/omlx", libexec/"bin/omlx-daemon"
    bash_completion.install "completions/omlx.bash" => "omlx"
    zsh_completion.install "completions/_omlx"
    fish_completion.install "completions/omlx.fish"
    man1.install Dir["man/*.1"]
  end

  def caveats
    <<~EOS
      The first omlx command starts the daemon; nothing runs before it. To start it at login:
        brew services start omlx
      Models, cache and settings are in ~/.omlx. Before brew uninstall, this removes what is not worth keeping:
        omlx self uninstall
    EOS
  end

  service do
    name linux: "omlx"
    run opt_bin/"omlx-daemon"
    keep_alive crashed: true
    process_type :interactive
    stop_timeout 30
    throttle_interval 10
    environment_variables PATH: std_service_path_env, PYTHONUTF8: "1"
    log_path var/"log/omlx.log"
    error_log_path var/"log/omlx.log"
  end

  test do
    assert_equal "omlx #{version}", shell_output("#{bin}/omlx --version").strip
    assert_match "_omlx", (bash_completion/"omlx").read

    ENV["OMLX_HOME"] = testpath
    port = free_port
    (testpath/"config.toml").write "[server]\nport = #{port}\n"

    pid = spawn bin/"omlx-daemon"
    begin
      url = "http://127.0.0.1:#{port}/health"
      health = shell_output("curl --silent --fail --retry 30 --retry-delay 1 --retry-connrefused #{url}")
      assert_equal version.to_s, JSON.parse(health)["version"]
      assert_empty JSON.parse(shell_output("#{bin}/omlx ps --json"))["models"]
      assert_match "ready", shell_output("#{bin}/omlx status --json")
      assert_match "removed 0 files", shell_output("#{bin}/omlx cache prune --older-than 7d --yes")
    ensure
      Process.kill "TERM", pid
      Process.wait pid
    end
    assert_match "not running", shell_output("#{bin}/omlx status 2>&1", 4)
  end
end
