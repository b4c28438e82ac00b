{{/*
The map that everything is made from, as JSON: every enabled worker with the defaults under its own keys. A key of its own
replaces the default as a whole, also with false, 0 or nothing.
*/}}
{{- define "weir.workers" -}}
{{- $workers := dict -}}
{{- range $key, $own := .Values.workers -}}
  {{- $worker := deepCopy $.Values.defaults -}}
  {{- range $name, $value := $own -}}
    {{- $_ := set $worker $name $value -}}
  {{- end -}}
  {{- if $worker.enabled -}}
    {{- $_ := set $workers $key $worker -}}
  {{- end -}}
{{- end -}}
{{- toJson $workers -}}
{{- end -}}

{{/* What `weir` is told: the worker, and for a sink its name. */}}
{{- define "weir.command" -}}
{{- if hasPrefix "sink-" .key -}}
{{- toJson (list "sink" "--only" (trimPrefix "sink-" .key)) -}}
{{- else -}}
{{- toJson (list .key) -}}
{{- end -}}
{{- end -}}

{{/* The section log.kafka of a worker: its own keys over the common ones; of `settings`, its own settings. */}}
{{- define "weir.kafka" -}}
{{- $kafka := deepCopy .root.Values.kafka -}}
{{- $settings := deepCopy ($kafka.settings | default dict) -}}
{{- range $name, $value := .worker.kafka -}}
  {{- if ne $name "settings" -}}
    {{- $_ := set $kafka $name $value -}}
  {{- end -}}
{{- end -}}
{{- range $name, $value := .worker.kafka.settings -}}
  {{- $_ := set $settings $name $value -}}
{{- end -}}
{{- if $settings -}}
  {{- $_ := set $kafka "settings" $settings -}}
{{- end -}}
{{- toYaml $kafka -}}
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
