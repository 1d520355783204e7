# bash 3.2+ completion for omlx. Made by `make generate`; edit scripts/generate/bash.py instead.

_omlx_words() { # WORD...: offers those that begin with $cur
    local word
    for word in "$@"; do
        if [[ $word == "$cur"* ]]; then COMPREPLY[${#COMPREPLY[@]}]=${word#"$head"}; fi
    done
}

_omlx_names() { # FILE: offers the names that omlx keeps there, one a line
    local name file=${OMLX_HOME:-$HOME/.omlx}/run/$1
    [[ -r $file ]] || return 0
    while IFS= read -r name; do
        if [[ $name == "$cur"* ]]; then
            name=${name#"$head"}
            if [[ -z $quote ]]; then printf -v name %q "$name"; fi
            COMPREPLY[${#COMPREPLY[@]}]=$name
        fi
    done <"$file"
}

_omlx_value() { # COMMAND PLACE: offers what is written there
    case "$1 $2" in
    'omlx run 1' | 'omlx launch -m' | 'omlx launch --model' | 'omlx env -m' | 'omlx env --model' | 'omlx show 1' | 'omlx rm '[1-9]* | 'omlx load 1' | 'omlx pin 1' | 'omlx unpin 1' | 'omlx cache ls --model' | 'omlx cache prune --model' | 'omlx cache clear --model' | 'omlx cache pin --model' | 'omlx cache warm --model') _omlx_names models.txt ;;
    'omlx launch 1' | 'omlx env 1') _omlx_words claude codex opencode qwen ;;
    'omlx env --shell') _omlx_words posix fish ;;
    'omlx pull 1') _omlx_words deepseek-r1 deepseek-r1:32b deepseek-r1:7b gemma3 gemma3:12b gemma3:1b gemma3:4b gpt-oss gpt-oss:20b llama3.2 llama3.2:1b llama3.2:3b llama3.3 llama3.3:70b mistral mistral-small mistral-small:24b mistral:7b phi4 phi4-mini phi4-mini:3.8b phi4:14b qwen2.5-coder qwen2.5-coder:7b qwen3 qwen3-coder qwen3-coder:30b qwen3:0.6b qwen3:14b qwen3:30b qwen3:32b qwen3:4b qwen3:8b smollm2 smollm2:135m smollm3 smollm3:3b ;;
    'omlx unload 1') _omlx_names loaded.txt ;;
    'omlx status --bar') _omlx_words plain tmux xbar ;;
    'omlx logs --level') _omlx_words debug info warning error ;;
    'omlx config get 1' | 'omlx config set 1') _omlx_words anthropic.client_window anthropic.default anthropic.haiku anthropic.opus anthropic.sonnet cache.cold_max_size cache.dir cache.enabled cache.fsync cache.hot_max_size cache.max_age cache.max_model_share cache.min_free cache.write_budget cache.write_policy daemon.idle_exit daemon.log_files daemon.log_level daemon.log_size daemon.service daemon.start_timeout daemon.stop_timeout health.restart_after health.stuck_after hub.endpoint memory.limit memory.reserve model.context_limit model.default model.load_timeout model.min_residency model.ttl prompts.arguments_json prompts.attribution_header prompts.clock prompts.system_in_place prompts.token_counter prompts.tools_json prompts.tools_order prompts.whitespace scheduler.max_queued scheduler.max_running scheduler.stall_target server.allowed_hosts server.api_key server.host server.keep_alive server.max_body server.port ;;
    'omlx key create --scope') _omlx_words inference control ;;
    'omlx key create --priority') _omlx_words interactive normal batch ;;
    'omlx doctor '[1-9]*) _omlx_words install versions home settings service daemon port disk memory backend cache agents ;;
    'omlx completion 1') _omlx_words bash zsh fish ;;
    'omlx help '[1-9]*) _omlx_words run launch env pull ls show rm ps load unload pin unpin requests cancel cache start stop restart status top logs serve service config key doctor completion self help exit-codes ;;
    esac
}

_omlx_below() { # COMMAND: offers its commands
    case $1 in
    'omlx') _omlx_words run launch env pull ls show rm ps load unload pin unpin requests cancel cache start stop restart status top logs serve service config key doctor completion self help ;;
    'omlx cache') _omlx_words stats ls explain prune verify clear pin unpin pins warm export import path ;;
    'omlx service') _omlx_words disable enable logs status ;;
    'omlx config') _omlx_words get path reload set ;;
    'omlx key') _omlx_words create ls rm ;;
    'omlx self') _omlx_words install-shim path uninstall ;;
    esac
}

_omlx_options() { # COMMAND: offers its options
    case $1 in
    'omlx') _omlx_words -V --version --json -q --quiet -h --help ;;
    'omlx run') _omlx_words --system -t --temperature --top-p --top-k --min-p -n --max-tokens --seed --stop --ttl --keep-alive --raw -v --verbose --json -q --quiet -h --help ;;
    'omlx launch') _omlx_words -m --model --print-env --write-config --json -q --quiet -h --help ;;
    'omlx env') _omlx_words -m --model --shell --json -q --quiet -h --help ;;
    'omlx pull') _omlx_words --as --json -q --quiet -h --help ;;
    'omlx ls') _omlx_words --json -q --quiet -h --help ;;
    'omlx show') _omlx_words --template --json -q --quiet -h --help ;;
    'omlx rm') _omlx_words -y --yes --json -q --quiet -h --help ;;
    'omlx ps') _omlx_words --json -q --quiet -h --help ;;
    'omlx load') _omlx_words --ttl --keep-alive --estimate-only --json -q --quiet -h --help ;;
    'omlx unload') _omlx_words --force --json -q --quiet -h --help ;;
    'omlx pin') _omlx_words --json -q --quiet -h --help ;;
    'omlx unpin') _omlx_words --json -q --quiet -h --help ;;
    'omlx requests') _omlx_words --json -q --quiet -h --help ;;
    'omlx cancel') _omlx_words --json -q --quiet -h --help ;;
    'omlx cache') _omlx_words -h --help ;;
    'omlx cache stats') _omlx_words --json -q --quiet -h --help ;;
    'omlx cache ls') _omlx_words --model --incompatible --json -q --quiet -h --help ;;
    'omlx cache explain') _omlx_words --json -q --quiet -h --help ;;
    'omlx cache prune') _omlx_words --older-than --larger-than --model --incompatible --dry-run -y --yes --json -q --quiet -h --help ;;
    'omlx cache verify') _omlx_words --sample --deep --json -q --quiet -h --help ;;
    'omlx cache clear') _omlx_words --model -y --yes --json -q --quiet -h --help ;;
    'omlx cache pin') _omlx_words --system --model --json -q --quiet -h --help ;;
    'omlx cache unpin') _omlx_words --json -q --quiet -h --help ;;
    'omlx cache pins') _omlx_words --json -q --quiet -h --help ;;
    'omlx cache warm') _omlx_words --model --json -q --quiet -h --help ;;
    'omlx cache export') _omlx_words --json -q --quiet -h --help ;;
    'omlx cache import') _omlx_words --json -q --quiet -h --help ;;
    'omlx cache path') _omlx_words --json -q --quiet -h --help ;;
    'omlx start') _omlx_words --json -q --quiet -h --help ;;
    'omlx stop') _omlx_words --timeout --force --json -q --quiet -h --help ;;
    'omlx restart') _omlx_words --timeout --force --json -q --quiet -h --help ;;
    'omlx status') _omlx_words --bar --json -q --quiet -h --help ;;
    'omlx top') _omlx_words --once --watch --interval --serve --port --json -q --quiet -h --help ;;
    'omlx logs') _omlx_words -f --follow -n --lines --since --level --request --json -q --quiet -h --help ;;
    'omlx serve') _omlx_words --host --port --paged-ssd-cache-dir --paged-ssd-cache-max-size --hot-cache-max-size --no-cache --json -q --quiet -h --help ;;
    'omlx service') _omlx_words -h --help ;;
    'omlx service disable') _omlx_words --json -q --quiet -h --help ;;
    'omlx service enable') _omlx_words --json -q --quiet -h --help ;;
    'omlx service logs') _omlx_words -n --lines --json -q --quiet -h --help ;;
    'omlx service status') _omlx_words --json -q --quiet -h --help ;;
    'omlx config') _omlx_words -h --help ;;
    'omlx config get') _omlx_words --json -q --quiet -h --help ;;
    'omlx config path') _omlx_words --json -q --quiet -h --help ;;
    'omlx config reload') _omlx_words --json -q --quiet -h --help ;;
    'omlx config set') _omlx_words --json -q --quiet -h --help ;;
    'omlx key') _omlx_words -h --help ;;
    'omlx key create') _omlx_words --scope --priority --share-cache --json -q --quiet -h --help ;;
    'omlx key ls') _omlx_words --json -q --quiet -h --help ;;
    'omlx key rm') _omlx_words --json -q --quiet -h --help ;;
    'omlx doctor') _omlx_words --json -q --quiet -h --help ;;
    'omlx completion') _omlx_words --json -q --quiet -h --help ;;
    'omlx self') _omlx_words -h --help ;;
    'omlx self install-shim') _omlx_words --json -q --quiet -h --help ;;
    'omlx self path') _omlx_words --json -q --quiet -h --help ;;
    'omlx self uninstall') _omlx_words --models --cache --config --all --dry-run -y --yes --json -q --quiet -h --help ;;
    'omlx help') _omlx_words --json -q --quiet -h --help ;;
    esac
}

_omlx() {
    local IFS=$' \t\n' cur="" head="" quote="" option="" piece=${COMP_WORDS[COMP_CWORD]} line=${COMP_LINE:0:$COMP_POINT}
    local path=omlx place=0 plain="" i word words
    COMPREPLY=()
    read -r -a words <<<"$line"
    if [[ $line != *[[:space:]] ]]; then
        cur=${words[${#words[@]}-1]}
        unset "words[${#words[@]}-1]"
        # Readline replaces only what follows the last ':' or '='.
        if [[ $piece == [:=] ]]; then piece=""; fi
        if [[ $cur == *"$piece" ]]; then head=${cur%"$piece"}; fi
    fi
    for ((i = 1; i < ${#words[@]}; i++)); do
        word=${words[i]}
        if [[ -n $option ]]; then option=""; continue; fi
        if [[ -n $plain || $word != -* ]]; then
            case "$path $word" in
            'omlx run' | 'omlx launch' | 'omlx env' | 'omlx pull' | 'omlx ls' | 'omlx show' | 'omlx rm' | 'omlx ps' | 'omlx load' | 'omlx unload' | 'omlx pin' | 'omlx unpin' | 'omlx requests' | 'omlx cancel' | 'omlx cache' | 'omlx cache stats' | 'omlx cache ls' | 'omlx cache explain' | 'omlx cache prune' | 'omlx cache verify' | 'omlx cache clear' | 'omlx cache pin' | 'omlx cache unpin' | 'omlx cache pins' | 'omlx cache warm' | 'omlx cache export' | 'omlx cache import' | 'omlx cache path' | 'omlx start' | 'omlx stop' | 'omlx restart' | 'omlx status' | 'omlx top' | 'omlx logs' | 'omlx serve' | 'omlx service' | 'omlx service disable' | 'omlx service enable' | 'omlx service logs' | 'omlx service status' | 'omlx config' | 'omlx config get' | 'omlx config path' | 'omlx config reload' | 'omlx config set' | 'omlx key' | 'omlx key create' | 'omlx key ls' | 'omlx key rm' | 'omlx doctor' | 'omlx completion' | 'omlx self' | 'omlx self install-shim' | 'omlx self path' | 'omlx self uninstall' | 'omlx help') path="$path $word" ;;
            *) place=$((place + 1)) ;;
            esac
        elif [[ $word == -- ]]; then
            plain=1
        else
            case "$path $word" in
            'omlx run --system' | 'omlx run -t' | 'omlx run --temperature' | 'omlx run --top-p' | 'omlx run --top-k' | 'omlx run --min-p' | 'omlx run -n' | 'omlx run --max-tokens' | 'omlx run --seed' | 'omlx run --stop' | 'omlx run --ttl' | 'omlx run --keep-alive' | 'omlx launch -m' | 'omlx launch --model' | 'omlx env -m' | 'omlx env --model' | 'omlx env --shell' | 'omlx pull --as' | 'omlx load --ttl' | 'omlx load --keep-alive' | 'omlx cache ls --model' | 'omlx cache prune --older-than' | 'omlx cache prune --larger-than' | 'omlx cache prune --model' | 'omlx cache verify --sample' | 'omlx cache clear --model' | 'omlx cache pin --system' | 'omlx cache pin --model' | 'omlx cache warm --model' | 'omlx stop --timeout' | 'omlx restart --timeout' | 'omlx status --bar' | 'omlx top --interval' | 'omlx top --port' | 'omlx logs -n' | 'omlx logs --lines' | 'omlx logs --since' | 'omlx logs --level' | 'omlx logs --request' | 'omlx serve --host' | 'omlx serve --port' | 'omlx serve --paged-ssd-cache-dir' | 'omlx serve --paged-ssd-cache-max-size' | 'omlx serve --hot-cache-max-size' | 'omlx service logs -n' | 'omlx service logs --lines' | 'omlx key create --scope' | 'omlx key create --priority') option=$word ;;
            esac
        fi
    done
    case $cur in
    [\"\']*) quote=${cur:0:1} cur=${cur:1} head=${head#"$quote"} ;;
    esac
    if [[ -n $option ]]; then
        _omlx_value "$path" "$option"
    elif [[ -z $plain && $cur == --*=* ]]; then
        option=${cur%%=*} cur=${cur#*=} head=${head#"$option="}
        _omlx_value "$path" "$option"
    elif [[ -z $plain && $cur == -* ]]; then
        _omlx_options "$path"
    else
        _omlx_value "$path" $((place + 1))
        if [[ $place == 0 ]]; then _omlx_below "$path"; fi
    fi
}

# Where nothing is offered, files are.
complete -o default -F _omlx omlx
