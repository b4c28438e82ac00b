{{/*
The map that everything is made from, as JSON: every enabled worker with the defaults under its own keys. A key of its own
replaces the default as a whole, also with false, 0 or nothing. Nothing is written under a worker in values.yaml: helm would
merge it with what is given.
*/}}
{{- define "weir.workers" -}}
{{- $workers := dict -}}
{{- range $key, $own := .Values.workers -}}
  {{- $worker := deepCopy $.Values.defaults -}}
  {{- range $name, $value := $own -}}
    {{- $_ := set $worker $name $value -}}
  {{- end -}}
  {{- if kindIs "invalid" $worker.resources -}}
    {{- $_ := set $worker "resources" (include "weir.resources" $key | fromYaml) -}}
  {{- end -}}
  {{- if $worker.enabled -}}
    {{- $_ := set $workers $key $worker -}}
  {{- end -}}
{{- end -}}
{{- toJson $workers -}}
{{- end -}}

{{/* What a worker has that nobody gave anything else: detect holds the state of every rule. */}}
{{- define "weir.resources" -}}
{{- $is := eq . "detect" -}}
requests: {cpu: 100m, memory: {{ ternary "512Mi" "256Mi" $is }}}
limits: {memory: {{ ternary "2Gi" "1Gi" $is }}}
{{- end -}}

{{/* What `weir` is told: the worker, and for a sink its name. */}}
{{- define "weir.command" -}}
{{- if hasPrefix "sink-" .key -}}
{{- toJson (list "sink" "--only" (trimPrefix "sink-" .key)) -}}
{{- else -}}
{{- toJson (list .key) -}}
{{- end -}}
{{- end -}}

{{/*
The section log.kafka of a worker: its own keys over the common ones; of `settings`, its own settings. What is null is left
out, so that a worker can log in without what the others log in with.
*/}}
{{- define "weir.kafka" -}}
{{- $kafka := dict -}}
{{- $settings := dict -}}
{{- range $one := list .root.Values.kafka .worker.kafka -}}
  {{- if and (hasKey $one "settings") (kindIs "invalid" $one.settings) -}}
    {{- $settings = dict -}}
  {{- end -}}
  {{- range $name, $value := $one.settings -}}
    {{- $_ := set $settings $name $value -}}
  {{- end -}}
  {{- range $name, $value := omit $one "settings" -}}
    {{- $_ := set $kafka $name $value -}}
  {{- end -}}
{{- end -}}
{{- range $map := list $kafka $settings -}}
  {{- range $name, $value := $map -}}
    {{- if kindIs "invalid" $value -}}
      {{- $_ := unset $map $name -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- if $settings -}}
  {{- $_ := set $kafka "settings" $settings -}}
{{- end -}}
{{- toYaml $kafka -}}
{{- end -}}

{{/*
How many of a worker there are. With the newer group protocol a member without a partition hears nothing from its group: it
would never become ready, and be started again for ever. 12 is what Weir makes where nothing is said.
*/}}
{{- define "weir.replicas" -}}
{{- $kafka := include "weir.kafka" . | fromYaml -}}
{{- $replicas := int .worker.replicas -}}
{{- $partitions := int ($kafka.partitions | default 12) -}}
{{- $protocol := get ($kafka.settings | default dict) "group.protocol" | toString | lower -}}
{{- if and (eq $protocol "consumer") (gt $replicas $partitions) -}}
{{- fail (printf "workers.%s: %d replicas, and kafka.partitions is %d: with group.protocol %q a member that is given no partition never becomes ready; have fewer replicas, or say in kafka.partitions how many the topics have" .key $replicas $partitions $protocol) -}}
{{- end -}}
{{- $replicas -}}
{{- end -}}

{{/*
A worker's weir.yaml: its own sections, so that it needs nobody else's secrets, and a change rolls nobody else.
*/}}
{{- define "weir.config" -}}
{{- $config := .worker.config | default dict -}}
log:
  kafka:
    {{- include "weir.kafka" . | nindent 4 }}
{{- if eq .key "ingest" }}
sources:
  {{- toYaml $config.sources | nindent 2 }}
{{- end }}
{{- if and (eq .key "enrich") $config }}
enrich:
  {{- toYaml $config | nindent 2 }}
{{- end }}
{{- if and (eq .key "detect") $config }}
detect:
  {{- toYaml $config | nindent 2 }}
{{- end }}
{{- if hasPrefix "sink-" .key }}
sinks:
  - name: {{ trimPrefix "sink-" .key | quote }}
    {{- toYaml $config | nindent 4 }}
{{- end }}
{{- with .root.Values.limits }}
limits:
  {{- toYaml . | nindent 2 }}
{{- end }}
# The probes come from the node, so the port cannot be on loopback. It only answers what it is asked.
admin:
  listen: {{ printf "%s:%d" .root.Values.admin.address (int .root.Values.admin.port) | quote }}
  beyond_loopback: true
{{- end -}}

{{/*
The Secrets that a worker's configuration names, as JSON: folder -> Secret. A folder without a Secret would be found out
by the pod, over and over; so it is a problem here.
*/}}
{{- define "weir.secrets" -}}
{{- range regexFindAll "/run/secrets/weir/[^/\\s\"']+(\\s|\"|'|$)" .config -1 -}}
  {{- fail (printf "workers.%s: %s lies in no folder below /run/secrets/weir, and nothing is mounted there itself" $.key (trim . | trimAll "\"'")) -}}
{{- end -}}
{{- $mounts := dict -}}
{{- range regexFindAll "/run/secrets/weir/[^/\\s\"']+/" .config -1 -}}
  {{- $folder := . | trimPrefix "/run/secrets/weir/" | trimSuffix "/" -}}
  {{- $secret := get $.root.Values.secrets $folder -}}
  {{- if not $secret -}}
    {{- fail (printf "workers.%s: its configuration names a file in /run/secrets/weir/%s, but `secrets` has no Secret for the folder %q" $.key $folder $folder) -}}
  {{- end -}}
  {{- $_ := set $mounts $folder $secret -}}
{{- end -}}
{{- toJson $mounts -}}
{{- end -}}
