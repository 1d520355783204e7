# frozen_string_literal: true

# The part of Homebrew's formula language that omlx's formula uses, run for real in folders of a test.
#
#   ruby brew.rb describe FORMULA
#   ruby brew.rb fetch|install|test FORMULA PREFIX SOURCE
#
# PREFIX stands for Homebrew's own; SOURCE is the unpacked release, or the test's folder. What the language does not
# have raises, as in brew.

require "English"
require "fileutils"
require "json"
require "open3"
require "pathname"
require "socket"
require "tmpdir"

HOMEBREW_PREFIX = Pathname.new(ARGV[2] || "/opt/homebrew")

# What brew adds to a path.
class Pathname
  alias to_str to_s

  def install(*sources)
    sources.flatten.each do |source|
      pairs = source.is_a?(Hash) ? source : { source => File.basename(source) }
      pairs.each do |from, name|
        raise "there is no #{from}" unless File.exist?(from)

        mkpath
        FileUtils.mv(from, self / name)
      end
    end
  end

  def install_symlink(*sources)
    sources.each do |source|
      mkpath
      (self / File.basename(source)).make_symlink(source)
    end
  end
end

module Language
  module Python
    # Environments as brew makes them: without pip, their packages are put in from outside.
    module Virtualenv
      def virtualenv_create(root, python, system_site_packages: true, without_pip: true)
        raise "omlx takes nothing from the system's packages" if system_site_packages

        system python, "-m", "venv", *("--without-pip" if without_pip), root
      end
    end
  end
end

# A service block, and what brew makes of it for launchd.
class Service
  SETTINGS = [:keep_alive, :process_type, :stop_timeout, :throttle_interval, :environment_variables, :log_path,
              :error_log_path].freeze

  def initialize(formula, block)
    @formula = formula
    @values = {}
    instance_eval(&block)
  end

  SETTINGS.each { |setting| define_method(setting) { |value| @values[setting] = value } }

  def name(macos: nil, linux: nil)
    raise "a service's name needs a system" unless macos || linux

    @values[:macos] = macos
    @values[:linux] = linux
  end

  def run(command)
    @values[:run] = Array(command).map(&:to_s)
  end

  def opt_bin
    HOMEBREW_PREFIX / "opt" / @formula.name / "bin"
  end

  def var
    HOMEBREW_PREFIX / "var"
  end

  def std_service_path_env
    "#{HOMEBREW_PREFIX}/bin:#{HOMEBREW_PREFIX}/sbin:/usr/bin:/bin:/usr/sbin:/sbin"
  end

  def plist
    {
      Label:                  @values[:macos] || "homebrew.mxcl.#{@formula.name}",
      ProgramArguments:       @values.fetch(:run),
      RunAtLoad:              true,
      ExitTimeOut:            @values.fetch(:stop_timeout),
      ThrottleInterval:       @values.fetch(:throttle_interval),
      ProcessType:            @values.fetch(:process_type).to_s.capitalize,
      StandardOutPath:        @values.fetch(:log_path).to_s,
      StandardErrorPath:      @values.fetch(:error_log_path).to_s,
      EnvironmentVariables:   @values.fetch(:environment_variables).transform_values(&:to_s),
      KeepAlive:              keep_alive_plist,
      LimitLoadToSessionType: ["Aqua", "Background", "LoginWindow", "StandardIO", "System"]
    }
  end

  def unit
    @values[:linux] || "homebrew.#{@formula.name}"
  end

  private

  def keep_alive_plist
    names = { crashed: :Crashed, successful_exit: :SuccessfulExit }
    @values.fetch(:keep_alive).transform_keys { |key| names.fetch(key) }
  end
end

# A livecheck block.
class Livecheck
  attr_reader :values

  def initialize(block)
    @values = {}
    instance_eval(&block)
  end

  def url(value)
    @values[:url] = value
  end

  def regex(value)
    @values[:regex] = value.source
  end
end

# The class that formulae derive from.
class Formula
  include FileUtils

  METADATA = [:desc, :homepage, :url, :sha256, :license].freeze

  class << self
    attr_reader :stanzas, :dependencies, :service_block, :test_block, :metadata, :livecheck_values

    def inherited(formula)
      super
      formula.instance_eval do
        @stanzas = []
        @dependencies = []
        @metadata = {}
      end
    end

    METADATA.each do |stanza|
      define_method(stanza) do |value|
        @stanzas << stanza
        @metadata[stanza] = value
      end
    end

    def livecheck(&block)
      @stanzas << :livecheck
      @livecheck_values = Livecheck.new(block).values
    end

    def depends_on(what)
      @stanzas << :depends_on unless @inside
      @dependencies << "#{@inside}#{what.is_a?(Hash) ? what.map { |key, value| "#{key}: #{value}" }.first : what}"
    end

    def on_macos
      @stanzas << :on_macos
      @inside = "macos "
      yield
      @inside = nil
    end

    def preserve_rpath
      @stanzas << :preserve_rpath
    end

    def service(&block)
      @stanzas << :service
      @service_block = block
    end

    def test(&block)
      @stanzas << :test
      @test_block = block
    end

    def method_added(name)
      super
      @stanzas << name if [:fetch, :install, :caveats].include?(name)
    end
  end

  attr_reader :buildpath, :testpath

  def initialize(source)
    @buildpath = source
    @testpath = source
  end

  def name
    self.class.name.downcase
  end

  def version
    self.class.metadata[:url][/-(\d+(?:\.\d+)+)\.tar/, 1]
  end

  def prefix
    HOMEBREW_PREFIX / "Cellar" / name / version
  end

  {
    bin:             "bin",
    libexec:         "libexec",
    man1:            "share/man/man1",
    bash_completion: "etc/bash_completion.d",
    zsh_completion:  "share/zsh/site-functions",
    fish_completion: "share/fish/vendor_completions.d"
  }.each do |name, path|
    define_method(name) { prefix / path }
  end

  def system(*words)
    words = words.map(&:to_s)
    Kernel.system(*words) || raise("#{words.join(" ")} failed: #{$CHILD_STATUS}")
  end

  def shell_output(command, code = 0)
    output, status = Open3.capture2(command)
    raise "#{command} ended with #{status.exitstatus}, not #{code}" unless status.exitstatus == code

    output
  end

  def spawn(command)
    Process.spawn(command.to_s)
  end

  def free_port
    server = TCPServer.new("127.0.0.1", 0)
    server.addr[1]
  ensure
    server.close
  end

  def assert_equal(expected, found)
    raise "expected #{expected.inspect}, found #{found.inspect}" unless expected == found
  end

  def assert_match(pattern, text)
    raise "#{pattern.inspect} is not in #{text.inspect}" unless text.match?(pattern)
  end

  def assert_empty(found)
    raise "#{found.inspect} is not empty" unless found.empty?
  end

  def link
    opt = HOMEBREW_PREFIX / "opt" / name
    opt.dirname.mkpath
    opt.unlink if opt.symlink?
    opt.make_symlink(prefix)
  end
end

def describe(formula)
  kind = formula.class
  service = Service.new(formula, kind.service_block)
  puts JSON.generate(metadata: kind.metadata, version: formula.version, stanzas: kind.stanzas,
                     dependencies: kind.dependencies, livecheck: kind.livecheck_values, caveats: formula.caveats,
                     plist: service.plist, unit: service.unit)
end

# As brew's sandbox does: the home is an empty folder.
def run_in(folder, &block)
  Dir.mktmpdir do |home|
    ENV["HOME"] = home
    Dir.chdir(folder, &block)
  end
end

command, file, _, source = ARGV
load File.expand_path(file)
folder = Pathname.new(source || Dir.pwd)
formula = Omlx.new(folder)
case command
when "describe" then describe(formula)
when "fetch" then run_in(folder) { formula.fetch }
when "install"
  run_in(folder) { formula.install }
  formula.link
when "test" then run_in(folder) { formula.instance_eval(&Omlx.test_block) }
else raise "what is #{command}?"
end
