# fish completion for omlx. Made by `make generate`; edit scripts/generate/fish.py instead.

function __omlx_names # FILE: prints the names that omlx keeps there
    set -l home $OMLX_HOME
    test -n "$home"; or set home $HOME/.omlx
    test -r $home/run/$argv[1]; or return
    read -lz names <$home/run/$argv[1]
    string split -n \n -- $names
end

function __omlx_value # COMMAND PLACE: prints what is written there
    switch "$argv"
        case 'omlx run 1' 'omlx launch -m' 'omlx launch --model' 'omlx env -m' 'omlx env --model' 'omlx show 1' 'omlx rm 1' 'omlx rm 2' 'omlx rm 3' 'omlx rm 4' 'omlx rm 5' 'omlx rm 6' 'omlx rm 7' 'omlx rm 8' 'omlx rm 9' 'omlx rm ??' 'omlx load 1' 'omlx pin 1' 'omlx unpin 1' 'omlx cache ls --model' 'omlx cache prune --model' 'omlx cache clear --model' 'omlx cache pin --model' 'omlx cache warm --model'
            __omlx_names models.txt
        case 'omlx launch 1' 'omlx env 1'
            printf '%s\n' 'claude' 'codex' 'opencode' 'qwen'
        case 'omlx launch 2' 'omlx launch 3' 'omlx launch 4' 'omlx launch 5' 'omlx launch 6' 'omlx launch 7' 'omlx launch 8' 'omlx launch 9' 'omlx launch ??' 'omlx cache pin --system' 'omlx cache warm 1' 'omlx cache export 2' 'omlx cache import 1'
            __fish_complete_path (commandline -ct)
        case 'omlx env --shell'
            printf '%s\n' 'posix' 'fish'
        case 'omlx pull 1'
            printf '%s\n' 'deepseek-r1' 'deepseek-r1:32b' 'deepseek-r1:7b' 'gemma3' 'gemma3:12b' 'gemma3:1b' 'gemma3:4b' 'gpt-oss' 'gpt-oss:20b' 'llama3.2' 'llama3.2:1b' 'llama3.2:3b' 'llama3.3' 'llama3.3:70b' 'mistral' 'mistral-small' 'mistral-small:24b' 'mistral:7b' 'phi4' 'phi4-mini' 'phi4-mini:3.8b' 'phi4:14b' 'qwen2.5-coder' 'qwen2.5-coder:7b' 'qwen3' 'qwen3-coder' 'qwen3-coder:30b' 'qwen3:0.6b' 'qwen3:14b' 'qwen3:30b' 'qwen3:32b' 'qwen3:4b' 'qwen3:8b' 'smollm2' 'smollm2:135m' 'smollm3' 'smollm3:3b'; __fish_complete_path (commandline -ct)
        case 'omlx unload 1'
            __omlx_names loaded.txt
        case 'omlx status --bar'
            printf '%s\n' 'plain' 'tmux' 'xbar'
        case 'omlx logs --level'
            printf '%s\n' 'debug' 'info' 'warning' 'error'
        case 'omlx serve --paged-ssd-cache-dir'
            __fish_complete_directories (commandline -ct)
        case 'omlx config get 1' 'omlx config set 1'
            printf '%s\n' 'anthropic.client_window' 'anthropic.default' 'anthropic.haiku' 'anthropic.opus' 'anthropic.sonnet' 'cache.cold_max_size' 'cache.dir' 'cache.enabled' 'cache.fsync' 'cache.hot_max_size' 'cache.max_age' 'cache.max_model_share' 'cache.min_free' 'cache.write_budget' 'cache.write_policy' 'daemon.idle_exit' 'daemon.log_files' 'daemon.log_level' 'daemon.log_size' 'daemon.service' 'daemon.start_timeout' 'daemon.stop_timeout' 'health.restart_after' 'health.stuck_after' 'hub.endpoint' 'memory.limit' 'memory.reserve' 'model.context_limit' 'model.default' 'model.load_timeout' 'model.min_residency' 'model.ttl' 'prompts.arguments_json' 'prompts.attribution_header' 'prompts.clock' 'prompts.system_in_place' 'prompts.token_counter' 'prompts.tools_json' 'prompts.tools_order' 'prompts.whitespace' 'scheduler.max_queued' 'scheduler.max_running' 'scheduler.stall_target' 'server.allowed_hosts' 'server.api_key' 'server.host' 'server.keep_alive' 'server.max_body' 'server.port'
        case 'omlx key create --scope'
            printf '%s\n' 'inference' 'control'
        case 'omlx key create --priority'
            printf '%s\n' 'interactive' 'normal' 'batch'
        case 'omlx doctor 1' 'omlx doctor 2' 'omlx doctor 3' 'omlx doctor 4' 'omlx doctor 5' 'omlx doctor 6' 'omlx doctor 7' 'omlx doctor 8' 'omlx doctor 9' 'omlx doctor ??'
            printf '%s\n' 'install' 'versions' 'home' 'settings' 'service' 'daemon' 'port' 'disk' 'memory' 'backend' 'cache' 'agents'
        case 'omlx completion 1'
            printf '%s\n' 'bash' 'zsh' 'fish'
        case 'omlx help 1' 'omlx help 2' 'omlx help 3' 'omlx help 4' 'omlx help 5' 'omlx help 6' 'omlx help 7' 'omlx help 8' 'omlx help 9' 'omlx help ??'
            printf '%s\n' 'run' 'launch' 'env' 'pull' 'ls' 'show' 'rm' 'ps' 'load' 'unload' 'pin' 'unpin' 'requests' 'cancel' 'cache' 'start' 'stop' 'restart' 'status' 'top' 'logs' 'serve' 'service' 'config' 'key' 'doctor' 'completion' 'self' 'help' 'exit-codes'
    end
end

function __omlx_below # COMMAND: prints its commands
    switch $argv[1]
        case 'omlx'
            printf '%s\n' 'run	Ask a model once, or chat with it.' 'launch	Run a coding agent on this daemon.' 'env	Print what a coding agent needs, for the shell.' 'pull	Fetch or import a model.' 'ls	List the models on disk.' 'show	Show one model in detail.' 'rm	Delete models.' 'ps	List the models in memory.' 'load	Load a model now.' 'unload	Unload a model.' 'pin	Keep a model in memory, across restarts.' 'unpin	Let go of a pinned model.' 'requests	List the requests that run or wait.' 'cancel	Cancel requests.' 'cache	Look at the KV cache, prune, check, pin and move it.' 'start	Start the daemon.' 'stop	Stop the daemon.' 'restart	Stop the daemon and start it again.' 'status	Show the daemon, its address and its memory.' 'top	Watch the daemon live.' 'logs	Print the daemon\'s log.' 'serve	Run the daemon in the foreground.' 'service	Start the daemon at login, or on demand alone.' 'config	Show or change the settings.' 'key	Hand out and withdraw API keys.' 'doctor	Check this installation and say how to mend it.' 'completion	Print the shell\'s completion script.' 'self	Show where this installation is, put it on the PATH, remove it.' 'help	Explain a command, or what exit codes mean.'
        case 'omlx cache'
            printf '%s\n' 'stats	Show what the cache holds, may hold and saved.' 'ls	List what is stored, by model.' 'explain	Tell why a prompt was not reused further.' 'prune	Remove blocks by age, size, model or use.' 'verify	Check stored blocks.' 'clear	Remove everything that is not pinned.' 'pin	Keep a system prompt ready for good.' 'unpin	Let a pinned prompt go.' 'pins	List the pinned prompts.' 'warm	Compute and store a prompt now.' 'export	Write a model\'s or a pin\'s blocks to an archive.' 'import	Take the blocks of an archive.' 'path	Print where the cache lies.'
        case 'omlx service'
            printf '%s\n' 'disable	Start the daemon on demand alone; one that runs now goes on.' 'enable	Start the daemon at login from now on, and again after a crash.' 'logs	Print what the daemon said outside its own log: why it did not start, or how it crashed.' 'status	Show what the service manager knows of the daemon; nothing is started.'
        case 'omlx config'
            printf '%s\n' 'get	Print one setting, or all of them, defaults included.' 'path	Print where the settings are.' 'reload	Have the running daemon read config.toml again.' 'set	Change one setting; lists are written with commas.'
        case 'omlx key'
            printf '%s\n' 'create	Make a key and print it, once: nothing can tell it again.' 'ls	List the keys: their names and what they may do, never the keys.' 'rm	Withdraw keys; whoever uses one is refused from now on.'
        case 'omlx self'
            printf '%s\n' 'install-shim	Write ~/.omlx/bin/omlx, which runs this installation; for those that no package manager put on the PATH.' 'path	Show where the program, its home, models, cache and logs are; nothing is started.' 'uninstall	Stop the daemon and remove its service, the shim, logs and state; models, cache and settings stay.'
    end
end

function __omlx_options # COMMAND: prints its options
    switch $argv[1]
        case 'omlx'
            printf '%s\n' '-V	Show the version and exit.' '--version	Show the version and exit.' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx run'
            printf '%s\n' '--system	Instructions that come before the chat.' '-t	0 always takes the likeliest token.' '--temperature	0 always takes the likeliest token.' '--top-p	Keep the likeliest tokens up to this probability.' '--top-k	Keep this many of the likeliest tokens; 0 keeps all.' '--min-p	Keep tokens this likely compared to the likeliest.' '-n	The longest answer, in tokens.' '--max-tokens	The longest answer, in tokens.' '--seed	Make a random answer repeatable.' '--stop	End the answer before this text; may be repeated.' '--ttl	Idle time the model may stay: 10m, never.' '--keep-alive	Idle time it may stay after each answer: 5m, 300, 0 or -1.' '--raw	Continue the prompt as it is, without the chat template.' '-v	Print times and token counts afterwards.' '--verbose	Print times and token counts afterwards.' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx launch'
            printf '%s\n' '-m	Which model it uses; by default the setting model.default.' '--model	Which model it uses; by default the setting model.default.' '--print-env	Print what it would get, as omlx env does, and run nothing.' '--write-config	Write it into the agent\'s own settings, keeping a copy; run nothing.' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx env'
            printf '%s\n' '-m	Which model it uses; by default the setting model.default.' '--model	Which model it uses; by default the setting model.default.' '--shell	Whose syntax to print.' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx pull'
            printf '%s\n' '--as	Store it under this name.' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx ls'
            printf '%s\n' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx show'
            printf '%s\n' '--template	Print the chat template alone.' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx rm'
            printf '%s\n' '-y	Do not ask.' '--yes	Do not ask.' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx ps'
            printf '%s\n' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx load'
            printf '%s\n' '--ttl	Idle time it may stay: 10m, 1h30m, never.' '--keep-alive	The same, as in 5m, 300, 0 or -1.' '--estimate-only	Say what it would take and whether it fits; load nothing.' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx unload'
            printf '%s\n' '--force	End its requests, and unload it even if pinned.' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx pin'
            printf '%s\n' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx unpin'
            printf '%s\n' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx requests'
            printf '%s\n' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx cancel'
            printf '%s\n' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx cache'
            printf '%s\n' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx cache stats'
            printf '%s\n' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx cache ls'
            printf '%s\n' '--model	Only this model\'s.' '--incompatible	Only what no model here can use any more.' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx cache explain'
            printf '%s\n' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx cache prune'
            printf '%s\n' '--older-than	Not used for so long: 7d, 12h.' '--larger-than	Files over this: 10MiB.' '--model	Only this model\'s.' '--incompatible	What no model here can use any more.' '--dry-run	Only say what would go.' '-y	Do not ask.' '--yes	Do not ask.' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx cache verify'
            printf '%s\n' '--sample	Check N blocks at random instead of all.' '--deep	Compute them again, too, and compare. Needs the daemon.' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx cache clear'
            printf '%s\n' '--model	Only this model\'s.' '-y	Do not ask.' '--yes	Do not ask.' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx cache pin'
            printf '%s\n' '--system	The system prompt; - reads stdin.' '--model	Default: model.default.' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx cache unpin'
            printf '%s\n' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx cache pins'
            printf '%s\n' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx cache warm'
            printf '%s\n' '--model	Default: model.default.' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx cache export'
            printf '%s\n' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx cache import'
            printf '%s\n' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx cache path'
            printf '%s\n' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx start'
            printf '%s\n' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx stop'
            printf '%s\n' '--timeout	How long to wait for it to end.' '--force	Cut running requests off.' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx restart'
            printf '%s\n' '--timeout	How long to wait for it to end.' '--force	Cut running requests off.' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx status'
            printf '%s\n' '--bar	Print one short line for a status bar.' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx top'
            printf '%s\n' '--once	Print one picture as text, and end; so does a run off a terminal.' '--watch	With --json: print events as they come, until Ctrl-C.' '--interval	With --watch: the least time between two changes.' '--serve	Show it in a browser on this machine, behind a token, until Ctrl-C.' '--port	With --serve: the port; 0 is a free one.' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx logs'
            printf '%s\n' '-f	Go on with new entries until Ctrl-C.' '--follow	Go on with new entries until Ctrl-C.' '-n	Print the last N entries; 50, or all with --since or --request, unless given.' '--lines	Print the last N entries; 50, or all with --since or --request, unless given.' '--since	Leave out what is older: 10m, 13:30, 2026-03-01, 2026-03-01T13:30.' '--level	Leave out what is less grave.' '--request	Print what concerns one request, workers included.' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx serve'
            printf '%s\n' '--host	Address to listen on; anything but loopback needs an API key.' '--port	TCP port; 0 takes a free one.' '--paged-ssd-cache-dir	Instead of cache.dir.' '--paged-ssd-cache-max-size	100GB, 20%, auto or 0.' '--hot-cache-max-size	8GiB, 20%, auto or 0.' '--no-cache	Keep no prefix, neither in RAM nor on SSD.' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx service'
            printf '%s\n' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx service disable'
            printf '%s\n' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx service enable'
            printf '%s\n' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx service logs'
            printf '%s\n' '-n	How many lines.' '--lines	How many lines.' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx service status'
            printf '%s\n' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx config'
            printf '%s\n' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx config get'
            printf '%s\n' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx config path'
            printf '%s\n' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx config reload'
            printf '%s\n' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx config set'
            printf '%s\n' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx key'
            printf '%s\n' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx key create'
            printf '%s\n' '--scope	Ask for answers, or act on the daemon besides (load, unload, prune, stop).' '--priority	Class of its requests that name none.' '--share-cache	Use the cached prefixes of everybody who has no key, and let them use its.' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx key ls'
            printf '%s\n' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx key rm'
            printf '%s\n' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx doctor'
            printf '%s\n' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx completion'
            printf '%s\n' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx self'
            printf '%s\n' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx self install-shim'
            printf '%s\n' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx self path'
            printf '%s\n' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx self uninstall'
            printf '%s\n' '--models	Remove the models too that omlx imported; the hub\'s cache stays.' '--cache	Remove the KV cache too.' '--config	Remove the settings and API keys too.' '--all	Remove all three.' '--dry-run	Only say what would be removed.' '-y	Do not ask.' '--yes	Do not ask.' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
        case 'omlx help'
            printf '%s\n' '--json	Print JSON for programs.' '-q	Print no notes, errors only.' '--quiet	Print no notes, errors only.' '-h	Show this message and exit.' '--help	Show this message and exit.'
    end
end

function __omlx_complete
    set -l path omlx
    set -l place 0
    set -l option
    set -l plain
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for word in $words[2..-1]
        if test -n "$option"
            set option
        else if test -n "$plain"; or not string match -q -- '-*' $word
            switch "$path $word"
                case 'omlx run' 'omlx launch' 'omlx env' 'omlx pull' 'omlx ls' 'omlx show' 'omlx rm' 'omlx ps' 'omlx load' 'omlx unload' 'omlx pin' 'omlx unpin' 'omlx requests' 'omlx cancel' 'omlx cache' 'omlx cache stats' 'omlx cache ls' 'omlx cache explain' 'omlx cache prune' 'omlx cache verify' 'omlx cache clear' 'omlx cache pin' 'omlx cache unpin' 'omlx cache pins' 'omlx cache warm' 'omlx cache export' 'omlx cache import' 'omlx cache path' 'omlx start' 'omlx stop' 'omlx restart' 'omlx status' 'omlx top' 'omlx logs' 'omlx serve' 'omlx service' 'omlx service disable' 'omlx service enable' 'omlx service logs' 'omlx service status' 'omlx config' 'omlx config get' 'omlx config path' 'omlx config reload' 'omlx config set' 'omlx key' 'omlx key create' 'omlx key ls' 'omlx key rm' 'omlx doctor' 'omlx completion' 'omlx self' 'omlx self install-shim' 'omlx self path' 'omlx self uninstall' 'omlx help'
                    set path "$path $word"
                case '*'
                    set place (math $place + 1)
            end
        else if test $word = --
            set plain yes
        else
            switch "$path $word"
                case 'omlx run --system' 'omlx run -t' 'omlx run --temperature' 'omlx run --top-p' 'omlx run --top-k' 'omlx run --min-p' 'omlx run -n' 'omlx run --max-tokens' 'omlx run --seed' 'omlx run --stop' 'omlx run --ttl' 'omlx run --keep-alive' 'omlx launch -m' 'omlx launch --model' 'omlx env -m' 'omlx env --model' 'omlx env --shell' 'omlx pull --as' 'omlx load --ttl' 'omlx load --keep-alive' 'omlx cache ls --model' 'omlx cache prune --older-than' 'omlx cache prune --larger-than' 'omlx cache prune --model' 'omlx cache verify --sample' 'omlx cache clear --model' 'omlx cache pin --system' 'omlx cache pin --model' 'omlx cache warm --model' 'omlx stop --timeout' 'omlx restart --timeout' 'omlx status --bar' 'omlx top --interval' 'omlx top --port' 'omlx logs -n' 'omlx logs --lines' 'omlx logs --since' 'omlx logs --level' 'omlx logs --request' 'omlx serve --host' 'omlx serve --port' 'omlx serve --paged-ssd-cache-dir' 'omlx serve --paged-ssd-cache-max-size' 'omlx serve --hot-cache-max-size' 'omlx service logs -n' 'omlx service logs --lines' 'omlx key create --scope' 'omlx key create --priority'
                    set option $word
            end
        end
    end
    if test -n "$option"
        __omlx_value $path $option
    else if test -z "$plain"; and string match -q -- '--*=*' $current
        set option (string replace -r '=.*' '' -- $current)
        printf '%s\n' $option=(__omlx_value $path $option | string replace -r '\t.*' '')
    else if test -z "$plain"; and string match -q -- '-*' $current
        __omlx_options $path
    else
        __omlx_value $path (math $place + 1)
        test $place = 0; and __omlx_below $path
    end
end

complete -c omlx -f -a '(__omlx_complete)'
