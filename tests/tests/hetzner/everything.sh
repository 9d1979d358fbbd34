#!/usr/bin/env bash
# Does with the program `hcloud` what it can do: every kind is made, listed, described, changed, used and deleted.
# HCLOUD_ENDPOINT and HCLOUD_TOKEN say where. Ends with an error at the first thing that is not as it should be.
#   everything.sh DIR    DIR holds a public key (key.pub) and a certificate with its key (certificate.pem, certificate.key)
set -euo pipefail
cd "$1"

# What a command prints has these words.
says() { # WORDS COMMAND...
  local words=$1 output
  shift
  output=$(hcloud "$@") || { echo "failed: hcloud $*" >&2 && exit 1; }
  [[ $output == *"$words"* ]] || { echo "hcloud $* does not say '$words': $output" >&2 && exit 1; }
}

fails() { # CODE COMMAND...
  local code=$1 output
  shift
  if output=$(hcloud "$@" 2>&1); then echo "hcloud $* did not fail with $code" >&2 && exit 1; fi
  [[ $output == *"$code"* ]] || { echo "hcloud $* does not say $code: $output" >&2 && exit 1; }
}

labels() { # KIND NAME: adds and removes a label
  says added "$1" add-label "$2" more=x
  says "$2" "$1" list --selector more=x
  says removed "$1" remove-label "$2" more
}

# What is there.
says fsn1 location list
says Falkenstein location describe fsn1
says cx23 server-type list
says Cores server-type describe cx23
says ubuntu-24.04 image list --type system
says Ubuntu image describe ubuntu-24.04
says virtio-win iso list
says virtio-win iso describe virtio-win-0.1.141.iso
says lb11 load-balancer-type list
says lb11 load-balancer-type describe lb11
fails deprecated_api_endpoint datacenter list

# SSH keys, networks, firewalls, placement groups
says created ssh-key create --name me --public-key-from-file key.pub
says me ssh-key list
says ssh-ed25519 ssh-key describe me
says updated ssh-key update me --name me-2
says updated ssh-key update me-2 --name me
labels ssh-key me
fails uniqueness_error ssh-key create --name again --public-key-from-file key.pub

says created network create --name private --ip-range 10.0.0.0/16
says added network add-subnet private --type cloud --network-zone eu-central --ip-range 10.0.0.0/24
says added network add-subnet private --type cloud --network-zone eu-central --ip-range 10.0.1.0/24
says removed network remove-subnet private --ip-range 10.0.1.0/24
says added network add-route private --destination 10.100.0.0/24 --gateway 10.0.0.9
says removed network remove-route private --destination 10.100.0.0/24 --gateway 10.0.0.9
says changed network change-ip-range private --ip-range 10.0.0.0/12
says enabled network enable-protection private delete
fails protected network delete private
says disabled network disable-protection private delete
says private network list
says 10.0.0.0/24 network describe private
says updated network update private --name private
labels network private

says created firewall create --name wall
says updated firewall add-rule wall --direction in --protocol tcp --port 22 --source-ips 0.0.0.0/0 --source-ips ::/0 --description ssh
says updated firewall add-rule wall --direction out --protocol icmp --destination-ips 0.0.0.0/0
says updated firewall delete-rule wall --direction out --protocol icmp --destination-ips 0.0.0.0/0
says wall firewall list
says ssh firewall describe wall
labels firewall wall

says created placement-group create --name spread --type spread
says spread placement-group list
says spread placement-group describe spread
labels placement-group spread

# Servers
says 'IPv4: 198.18' server create --name web --type cx23 --image ubuntu-24.04 --location fsn1 --ssh-key me --network private --label cluster=a
says running server list
says 10.0.0.2 server describe web
says 198.18 server ip web
labels server web
says updated server update web --name web
for simple in shutdown poweron reboot reset enable-backup; do hcloud server "$simple" web; done
says Image server create-image web --type snapshot --description before
hcloud server disable-backup web
says enabled server enable-rescue web
hcloud server disable-rescue web
says Password server reset-password web
says wss: server request-console web
says attached server attach-iso web virtio-win-0.1.141.iso
says detached server detach-iso web
says 'changed' server set-rdns web --hostname web.example.com
hcloud server change-alias-ips web --network private --alias-ips 10.0.0.77
says detached server detach-from-network web --network private
says attached server attach-to-network web --network private --ip 10.0.0.9
says enabled server enable-protection web delete rebuild
fails protected server delete web
says disabled server disable-protection web delete rebuild
says time_series server metrics web --type cpu --output json
hcloud server poweroff web
says added server add-to-placement-group web --placement-group spread
says removed server remove-from-placement-group web
hcloud server change-type web cx33
hcloud server rebuild web --image debian-13
says cx33 server describe web

# Firewalls on servers
says applied firewall apply-to-resource wall --type server --server web
says applied firewall apply-to-resource wall --type label_selector --label-selector cluster=a
fails resource_in_use firewall delete wall
says applied firewall remove-from-resource wall --type label_selector --label-selector cluster=a
says applied firewall remove-from-resource wall --type server --server web
says deleted firewall delete wall

# Images
image=$(hcloud image list --type snapshot --output noheader --output columns=id)
says before image describe "$image"
says updated image update "$image" --description after
labels image "$image"
says enabled image enable-protection "$image" delete
says disabled image disable-protection "$image" delete
says deleted image delete "$image"

# Volumes
says created volume create --name data --size 10 --server web --format ext4
says data volume list
says scsi-0HC_Volume volume describe data
says resized volume resize data --size 20
says detached volume detach data
says attached volume attach data --server web
says detached volume detach data
labels volume data
says enabled volume enable-protection data delete
fails protected volume delete data
says disabled volume disable-protection data delete
says deleted volume delete data

# Addresses
says created floating-ip create --name float --type ipv4 --home-location fsn1
says float floating-ip list
says assigned floating-ip assign float web
says 198.18 floating-ip describe float
fails must_be_unassigned floating-ip delete float
says unassigned floating-ip unassign float
says changed floating-ip set-rdns float --hostname float.example.com
labels floating-ip float
says enabled floating-ip enable-protection float delete
says disabled floating-ip disable-protection float delete
says deleted floating-ip delete float

# It knows data centres only, so it cannot say where an address is to be.
fails invalid_input primary-ip create --name kept --type ipv4
hcloud server create --name bare --type cx23 --image debian-12 --location fsn1 --network private --without-ipv6 --start-after-create=false
read -r name ip < <(hcloud primary-ip list --output noheader | awk '/Server bare/ { print $3, $4 }')
says unassigned primary-ip unassign "$name"
says updated primary-ip update "$name" --name kept
says kept primary-ip list
says assigned primary-ip assign kept --server bare
says 198.18 primary-ip describe kept
says associated primary-ip set-rdns kept --ip "$ip" --hostname kept.example.com
fails must_be_unassigned primary-ip delete kept
says unassigned primary-ip unassign kept
says enabled primary-ip enable-protection kept
fails protected primary-ip delete kept
says disabled primary-ip disable-protection kept
says deleted primary-ip delete kept

# Certificates and load balancers
says created certificate create --name shop --cert-file certificate.pem --key-file certificate.key
says created certificate create --name free --type managed --domain example.com
says shop certificate list
says example.com certificate describe shop
says completed certificate describe free
labels certificate shop

says created load-balancer create --name front --type lb11 --location fsn1
says attached load-balancer attach-to-network front --network private --ip 10.0.0.100
says added load-balancer add-target front --server web --use-private-ip
says added load-balancer add-target front --label-selector cluster=a --use-private-ip
fails target_already_defined load-balancer add-target front --server web --use-private-ip
says removed load-balancer remove-target front --server web
says added load-balancer add-service front --protocol tcp --listen-port 6443 --destination-port 6443
says updated load-balancer update-service front --listen-port 6443 --health-check-interval 5s
says 6443 load-balancer describe front
says deleted load-balancer delete-service front --listen-port 6443
# It does not wait until the service is deleted.
until hcloud load-balancer change-algorithm front --algorithm-type least_connections; do :; done
hcloud load-balancer change-type front lb21
hcloud load-balancer disable-public-interface front
hcloud load-balancer enable-public-interface front
says changed load-balancer set-rdns front --hostname lb.example.com
says enabled load-balancer enable-protection front delete
fails protected load-balancer delete front
says disabled load-balancer disable-protection front delete
labels load-balancer front
says front load-balancer list
hcloud load-balancer detach-from-network front --network private

# And nothing of it stays.
says deleted load-balancer delete front
for name in shop free; do says deleted certificate delete "$name"; done
for name in web bare; do says deleted server delete "$name"; done
says deleted placement-group delete spread
says deleted network delete private
says deleted ssh-key delete me
for kind in server network firewall load-balancer volume floating-ip primary-ip certificate placement-group ssh-key; do
  left=$(hcloud "$kind" list --output noheader)
  [[ -z $left ]] || { echo "left of $kind: $left" >&2 && exit 1; }
done
